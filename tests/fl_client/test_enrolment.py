"""Joining a study at a real enrolment server, and at ones that lie."""

import datetime as dt
import socket
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_client.enrolment import accept, policy_of, read_offer
from fl_client.home import Identity
from fl_server import certificates
from fl_server.certificates import ca_fingerprint, issue_server_certificate, load_signing_key
from fl_server.enrolment.registry import Registry
from fl_server.enrolment.service import EnrolmentService, start_enrolment
from fl_server.folder import FederationFolder
from fl_server.server import describe
from fl_server.settings import load_settings
from fl_server.setup import create_federation
from shared_models.enrolment.invitation import Invitation
from shared_models.errors import AddressError, CertificateError, EnrolmentError, PolicyError


@pytest.fixture
def settings(folder):
    return load_settings(folder.settings)


@pytest.fixture
def description(folder, settings):
    return describe(settings, settings.privacy_policy(), load_signing_key(folder))


@pytest.fixture
def registry(folder):
    return Registry(folder.enrolment)


@pytest.fixture
def serve(folder, settings, registry, description):
    """`with serve():` a server that listens; what it says and shows can be replaced."""

    @contextmanager
    def serve(study=description, chain=None, key=None):
        server = start_enrolment(
            EnrolmentService(registry, study, "127.0.0.1:4433", lambda device: None),
            "127.0.0.1",
            settings.server.enrolment_port,
            key or folder.certificate_key.read_bytes(),
            chain or folder.certificate.read_bytes(),
        )
        try:
            yield
        finally:
            server.stop(None).wait()

    return serve


@pytest.fixture
def invite(folder, settings, registry):
    def invite(**changed):
        secret, expires = registry.invite(3600)
        facts = {
            "address": f"127.0.0.1:{settings.server.enrolment_port}",
            "ca_sha256": ca_fingerprint(folder),
            "secret": secret.hex(),
            "expires": expires,
        }
        return Invitation.model_validate(facts | changed)

    return invite


@pytest.fixture
def another_server(tmp_path):
    """Keys and certificates of somebody else, for the same address."""
    create_federation(tmp_path / "other", {})
    return FederationFolder(tmp_path / "other")


def test_a_device_reads_the_terms_and_joins(serve, invite, settings, registry, description, folder):
    identity = Identity.generate()
    with serve():
        offer = read_offer(invite())
        enrolment = accept(offer, identity)
    assert offer.study == description
    assert offer.ca_pem == folder.ca_certificate.read_bytes()
    [device] = registry.devices()
    assert device.node_key == identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert device.ledger_key == identity.ledger.public_key().public_bytes_raw()
    assert (enrolment.pseudonym, enrolment.fleet_address) == (device.pseudonym, "127.0.0.1:4433")
    assert enrolment.policy == settings.privacy_policy()
    assert enrolment.consent_text == settings.study.consent_text
    assert enrolment.ledger_key == device.ledger_key.hex()
    assert enrolment.server_key == load_signing_key(folder).public_key().public_bytes_raw().hex()


def test_reading_the_terms_does_not_use_the_invitation_up(serve, invite, registry):
    invitation = invite()
    with serve():
        read_offer(invitation)
        offer = read_offer(invitation)
        assert registry.open_invitations() == 1
        accept(offer, Identity.generate())
        with pytest.raises(EnrolmentError, match="The server refuses this invitation: it was used already"):
            read_offer(invitation)
        with pytest.raises(EnrolmentError, match="The server refuses this invitation"):
            accept(offer, Identity.generate())
    assert len(registry.devices()) == 1


def test_a_server_with_another_authority_is_not_the_one_that_invited(serve, invite):
    with serve(), pytest.raises(CertificateError, match="is not the one that invited you"):
        read_offer(invite(ca_sha256="0" * 64))


def test_an_impostor_who_shows_the_true_authority_beside_its_own_certificate_hears_nothing(
    serve, invite, folder, another_server, registry
):
    chain = another_server.certificate.read_bytes() + folder.ca_certificate.read_bytes()
    with (
        serve(chain=chain, key=another_server.certificate_key.read_bytes()),
        pytest.raises(CertificateError, match=r"The certificate of .* is not valid"),
    ):
        read_offer(invite())
    assert registry.open_invitations() == 1


@pytest.mark.parametrize(("backdated", "days"), [(dt.timedelta(days=9), -1), (-dt.timedelta(days=1), 9)])
def test_a_certificate_that_is_not_valid_today_is_refused(serve, invite, folder, monkeypatch, backdated, days):
    monkeypatch.setattr(certificates, "_BACKDATED", backdated)
    issue_server_certificate(folder, "127.0.0.1", days)
    with serve(), pytest.raises(CertificateError, match=r"it has expired.* or this computer's clock is wrong"):
        read_offer(invite())


def test_a_certificate_for_another_name_is_refused(serve, invite, folder, settings, monkeypatch):
    monkeypatch.setattr(certificates, "_alternative_names", lambda host: [certificates.x509.DNSName(host)])
    issue_server_certificate(folder, "fl.example.org")
    with serve(), pytest.raises(CertificateError, match="is for another name"):
        read_offer(invite())


def test_where_nobody_answers_the_address_is_named(invite, settings):
    with pytest.raises(AddressError, match=f"127.0.0.1:{settings.server.enrolment_port} does not answer") as refused:
        read_offer(invite())
    assert refused.value.exit_code == 16


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:door", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_named(invite, address):
    with pytest.raises((AddressError, EnrolmentError)):
        read_offer(invite(address=address))


def test_a_server_that_goes_away_before_the_answer_is_an_address_error(serve, invite):
    with serve():
        offer = read_offer(invite())
    with pytest.raises(AddressError):
        accept(offer, Identity.generate())


def test_a_server_that_speaks_no_tls_is_an_address_error(invite):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        with pytest.raises(AddressError):
            read_offer(invite(address=f"127.0.0.1:{port}"))


def test_a_policy_that_the_server_signed_is_the_policy(description, settings):
    assert policy_of(description) == settings.privacy_policy()


def test_a_policy_or_signature_that_was_altered_is_refused(description):
    noise = description.policy.index("noise_multiplier")
    forged = []
    for field, value in (
        ("policy", description.policy[:noise] + description.policy[noise:].replace("1", "2", 1)),
        ("policy", description.policy + " "),
        ("policy", ""),
        ("policy_signature", bytes([description.policy_signature[0] ^ 1]) + description.policy_signature[1:]),
        ("policy_signature", b""),
        ("server_key", bytes(31)),
        ("server_key", Identity.generate().ledger.public_key().public_bytes_raw()),
    ):
        altered = type(description)()
        altered.CopyFrom(description)
        setattr(altered, field, value)
        assert altered != description
        forged.append(altered)
    for altered in forged:
        with pytest.raises(EnrolmentError, match="not signed by its server"):
            policy_of(altered)


def test_a_signed_policy_that_costs_more_than_it_says_is_refused(description, folder):
    cheap = description.policy.replace('"lifetime_steps":24', '"lifetime_steps":240').replace(
        '"participations":6', '"participations":60'
    )
    assert cheap != description.policy
    altered = type(description)()
    altered.CopyFrom(description)
    altered.policy, altered.policy_signature = cheap, load_signing_key(folder).sign(cheap.encode())
    with pytest.raises(PolicyError, match="costs more than the lifetime cap"):
        policy_of(altered)


def test_an_altered_policy_in_the_last_answer_is_refused_too(serve, invite, description):
    lie = type(description)()
    lie.CopyFrom(description)
    lie.policy = description.policy.replace('"delta":0.00001', '"delta":0.1').replace('"delta":1e-05', '"delta":0.1')
    assert lie.policy != description.policy
    with serve(study=lie):
        offer = read_offer(invite())
        with pytest.raises(EnrolmentError, match="not signed by its server"):
            accept(offer, Identity.generate())
