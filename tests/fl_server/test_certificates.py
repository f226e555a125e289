import datetime as dt
import hashlib
import ipaddress
import ssl
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store

from fl_server import certificates
from fl_server.certificates import (
    ca_fingerprint,
    check_certificate,
    create_identity,
    issue_server_certificate,
    load_signing_key,
)
from fl_server.folder import FederationFolder
from shared_models.errors import CertificateError, SettingsError


def chain(folder):
    return x509.load_pem_x509_certificates(folder.certificate.read_bytes())


def verify(folder, name):
    """Raises where a TLS client that trusts the federation's authority would refuse the server as `name`."""
    authority = x509.load_pem_x509_certificate(folder.ca_certificate.read_bytes())
    builder = PolicyBuilder().store(Store([authority])).time(dt.datetime.now(dt.UTC))
    builder.build_server_verifier(name).verify(chain(folder)[0], [])


def test_keys_are_for_their_owner_only(folder):
    for path in (folder.ca_key, folder.certificate_key, folder.signing_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for path in (folder.root, folder.ca_key.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_the_chain_holds_the_server_s_certificate_and_its_authority(folder):
    server, authority = chain(folder)
    server.verify_directly_issued_by(authority)
    assert authority == x509.load_pem_x509_certificate(folder.ca_certificate.read_bytes())
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_each_certificate_belongs_to_the_key_beside_it(folder):
    for certificate, key in zip(chain(folder), (folder.certificate_key, folder.ca_key), strict=True):
        assert certificate.public_key() == load_pem_private_key(key.read_bytes(), None).public_key()
    ssl.create_default_context().load_cert_chain(folder.certificate, folder.certificate_key)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("fl.example.org", [x509.DNSName("fl.example.org"), x509.DNSName("localhost")]),
        ("192.0.2.7", [x509.IPAddress(ipaddress.ip_address("192.0.2.7"))]),
        ("127.0.0.1", [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
        ("2001:db8::1", [x509.IPAddress(ipaddress.ip_address("2001:db8::1"))]),
    ],
)
def test_clients_that_trust_the_authority_accept_the_server_by_its_name(folder, host, names):
    issue_server_certificate(folder, host)
    for name in names:
        verify(folder, name)
    with pytest.raises(x509.verification.VerificationError):
        verify(folder, x509.DNSName("other.example.org"))


def test_another_federation_s_authority_does_not_vouch_for_this_server(folder, tmp_path):
    other = FederationFolder(tmp_path / "other")
    other.create()
    create_identity(other, "other", "127.0.0.1")
    assert ca_fingerprint(other) != ca_fingerprint(folder)
    folder.ca_certificate.write_bytes(other.ca_certificate.read_bytes())
    with pytest.raises(x509.verification.VerificationError):
        verify(folder, x509.DNSName("localhost"))


def test_a_new_certificate_has_new_keys_and_the_same_authority(folder):
    fingerprint, before = ca_fingerprint(folder), chain(folder)[0]
    issue_server_certificate(folder, "127.0.0.1")
    after = chain(folder)[0]
    assert ca_fingerprint(folder) == fingerprint
    assert after.serial_number != before.serial_number
    assert after.public_key() != before.public_key()
    assert stat.S_IMODE(folder.certificate_key.stat().st_mode) == 0o600
    verify(folder, x509.DNSName("localhost"))


def test_the_fingerprint_is_that_of_the_authority_in_der(folder):
    der = ssl.PEM_cert_to_DER_cert(folder.ca_certificate.read_text())
    assert ca_fingerprint(folder) == hashlib.sha256(der).hexdigest()


def test_a_certificate_that_is_valid_today_passes(folder):
    check_certificate(folder)


def test_an_expired_certificate_is_found_and_a_new_one_helps(folder, monkeypatch):
    with monkeypatch.context() as past:
        past.setattr(certificates, "_BACKDATED", dt.timedelta(days=9))
        issue_server_certificate(folder, "127.0.0.1", days=-1)
    with pytest.raises(CertificateError, match="expired on") as found:
        check_certificate(folder)
    assert (found.value.exit_code, f"fl-server renew {folder.root}" in found.value.fix) == (18, True)
    issue_server_certificate(folder, "127.0.0.1")
    check_certificate(folder)


def test_a_certificate_of_tomorrow_means_that_the_clock_is_behind(folder, monkeypatch):
    monkeypatch.setattr(certificates, "_BACKDATED", -dt.timedelta(days=1))
    issue_server_certificate(folder, "127.0.0.1", days=9)
    with pytest.raises(CertificateError, match="this machine's clock is behind"):
        check_certificate(folder)


def test_the_signing_key_is_read_back(folder):
    assert load_signing_key(folder).public_key() == load_signing_key(folder).public_key()


@pytest.mark.parametrize("damage", ["gone", "garbage", "another kind"])
def test_a_signing_key_that_is_none_is_named(folder, damage):
    match damage:
        case "gone":
            folder.signing_key.unlink()
        case "garbage":
            folder.signing_key.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
        case "another kind":
            key = ec.generate_private_key(ec.SECP384R1())
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            folder.signing_key.write_bytes(pem)
    with pytest.raises(SettingsError, match="Restore it from a backup"):
        load_signing_key(folder)


def test_no_two_federations_share_a_key(folder, tmp_path):
    other = FederationFolder(tmp_path / "other")
    other.create()
    create_identity(other, "study", "127.0.0.1")
    for path in ("ca_key", "certificate_key", "signing_key"):
        assert getattr(folder, path).read_bytes() != getattr(other, path).read_bytes()
    assert isinstance(load_signing_key(other), Ed25519PrivateKey)


def test_a_long_study_name_still_makes_a_certificate(tmp_path):
    folder = FederationFolder(tmp_path / "long")
    folder.create()
    create_identity(folder, "s" * 63, "127.0.0.1")
    verify(folder, x509.DNSName("localhost"))
