"""Joining a study at a real enrolment server, and at ones that lie."""

import datetime as dt
import socket

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_client.enrolment import accept, read_offer
from fl_client.home import Identity
from fl_server import certificates
from fl_server.certificates import issue_server_certificate, load_signing_key
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from fl_server.setup import create_federation
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.errors import AddressError, CertificateError, EnrolmentError
from shared_models.privacy.receipts import EMPTY_LEDGER


@pytest.fixture
def settings(folder):
    return load_settings(folder.settings)


@pytest.fixture
def another_server(tmp_path):
    """Keys and certificates of somebody else, for the same address."""
    create_federation(tmp_path / "other", {})
    return FederationFolder(tmp_path / "other")


def test_a_device_reads_the_terms_and_joins(port, settings, folder):
    identity = Identity.generate()
    invitation = port.invite()
    with port.listening():
        offer = read_offer(invitation)
        enrolment = accept(offer, identity)
    assert offer.terms == port.terms
    assert offer.ca_pem == folder.ca_certificate.read_bytes()
    [member] = port.registry.members()
    device = member.device
    assert device.node_key == identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert device.ledger_key == identity.ledger.public_key().public_bytes_raw()
    assert member.head == EMPTY_LEDGER
    assert (enrolment.pseudonym, enrolment.fleet_address) == (device.pseudonym, "127.0.0.1:1")
    assert enrolment.enrolment_address == invitation.address
    assert enrolment.policy == settings.privacy_policy()
    assert enrolment.consent_text == settings.study.consent_text
    assert enrolment.ledger_key == device.ledger_key.hex()
    assert enrolment.server_key == load_signing_key(folder).public_key().public_bytes_raw().hex()


def test_reading_the_terms_does_not_use_the_invitation_up(port):
    invitation = port.invite()
    with port.listening():
        read_offer(invitation)
        offer = read_offer(invitation)
        assert port.registry.open_invitations() == 1
        accept(offer, Identity.generate())
        with pytest.raises(EnrolmentError, match="The server refuses this invitation: it was used already"):
            read_offer(invitation)
        with pytest.raises(EnrolmentError, match="The server refuses this invitation"):
            accept(offer, Identity.generate())
    assert len(port.registry.devices()) == 1


def test_a_server_with_another_authority_is_not_the_one_that_invited(port):
    with port.listening(), pytest.raises(CertificateError, match="is not the one that invited you"):
        read_offer(port.invite(ca_sha256="0" * 64))


def test_an_impostor_who_shows_the_true_authority_beside_its_own_certificate_hears_nothing(port, another_server):
    chain = another_server.certificate.read_bytes() + port.folder.ca_certificate.read_bytes()
    another_server.certificate.write_bytes(chain)
    with (
        port.listening(folder=another_server),
        pytest.raises(CertificateError, match=r"The certificate of .* is not valid"),
    ):
        read_offer(port.invite())
    assert port.registry.open_invitations() == 1


@pytest.mark.parametrize(("backdated", "days"), [(dt.timedelta(days=9), -1), (-dt.timedelta(days=1), 9)])
def test_a_certificate_that_is_not_valid_today_is_refused(port, monkeypatch, backdated, days):
    monkeypatch.setattr(certificates, "_BACKDATED", backdated)
    issue_server_certificate(port.folder, "127.0.0.1", days)
    with port.listening(), pytest.raises(CertificateError, match=r"it has expired.* or this computer's clock is wrong"):
        read_offer(port.invite())


def test_a_certificate_for_another_name_is_refused(port, monkeypatch):
    monkeypatch.setattr(certificates, "_alternative_names", lambda host: [certificates.x509.DNSName(host)])
    issue_server_certificate(port.folder, "fl.example.org")
    with port.listening(), pytest.raises(CertificateError, match="is for another name"):
        read_offer(port.invite())


def test_where_nobody_answers_the_address_is_named(port):
    with pytest.raises(AddressError, match=f"{port.address} does not answer") as refused:
        read_offer(port.invite())
    assert refused.value.exit_code == 16


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:door", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_named(port, address):
    with pytest.raises((AddressError, EnrolmentError)):
        read_offer(port.invite(address=address))


def test_a_server_that_goes_away_before_the_answer_is_an_address_error(port):
    with port.listening():
        offer = read_offer(port.invite())
    with pytest.raises(AddressError):
        accept(offer, Identity.generate())


def test_a_server_that_speaks_no_tls_is_an_address_error(port):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number = listener.getsockname()[1]
        with pytest.raises(AddressError):
            read_offer(port.invite(address=f"127.0.0.1:{number}"))


def test_terms_that_change_between_reading_and_joining_are_not_joined(port):
    with port.listening():
        offer = read_offer(port.invite())
        changed = messages.Terms()
        changed.CopyFrom(port.terms)
        changed.title = "Another study"
        offer.terms.CopyFrom(changed)
        with pytest.raises(EnrolmentError, match="changed while you were reading them"):
            accept(offer, Identity.generate())


def test_an_altered_policy_in_the_last_answer_is_refused_too(port):
    port.terms.policy = port.terms.policy.replace('"delta":0.00001', '"delta":0.1').replace(
        '"delta":1e-05', '"delta":0.1'
    )
    with port.listening():
        offer = read_offer(port.invite())
        with pytest.raises(EnrolmentError, match="not signed by its server"):
            accept(offer, Identity.generate())
