"""Certificates that an operator brings: from an authority of the university, with an intermediate."""

import datetime as dt
import ipaddress
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from fl_server.certificates import Brought, ca_fingerprint, issue_server_certificate, take_certificate
from fl_server.chain import read_chain
from fl_server.folder import FederationFolder
from fl_server.setup import create_federation
from shared_models.errors import CertificateError

HOST = "fl.example.org"
DAY = dt.timedelta(days=1)


@dataclass
class Issuer:
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate | None = None

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)


def issue(name, issuer=None, authority=False, names=(), begins=-1, ends=30):
    """A certificate of `name`, signed by `issuer` or by itself; days are counted from now."""
    made = Issuer(name, ec.generate_private_key(ec.SECP256R1()))
    signer = issuer or made
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer.name)]))
        .public_key(made.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + ends * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made.certificate = builder.sign(signer.key, hashes.SHA256())
    return made


ROOT = issue("university", authority=True, ends=3000)
BETWEEN = issue("computing centre", ROOT, authority=True, ends=300)
NAMES = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("192.0.2.7"))]


@pytest.fixture
def write(tmp_path):
    """`write(server, *authorities)`: the two files that an operator brings."""

    def write(server, *authorities, key=None, passphrase=None):
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        brought = Brought(tmp_path / "chain.pem", tmp_path / "chain.key")
        brought.chain.write_bytes(b"".join(one.pem for one in (server, *authorities)))
        pem = (key or server.key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        brought.key.write_bytes(pem)
        return brought

    return write


def refused(brought, host=HOST):
    with pytest.raises(CertificateError) as error:
        read_chain(brought.chain, brought.key, host)
    return str(error.value)


@pytest.mark.parametrize("host", [HOST, "192.0.2.7"])
def test_a_chain_gives_the_authority_at_its_end(write, host):
    brought = write(issue("server", BETWEEN, names=NAMES), BETWEEN, ROOT)
    assert read_chain(brought.chain, brought.key, host) == ROOT.certificate


def test_a_wildcard_covers_a_name_below_it(write):
    brought = write(issue("server", ROOT, names=[x509.DNSName("*.example.org")]), ROOT)
    assert read_chain(brought.chain, brought.key, HOST) == ROOT.certificate


def test_a_name_that_devices_use_must_be_in_it(write):
    brought = write(issue("server", ROOT, names=NAMES), ROOT)
    for host in ("other.example.org", "192.0.2.8"):
        text = refused(brought, host)
        assert "mismatch" in text
        assert f"must cover server.host, which is {host}" in text


@pytest.mark.parametrize(("begins", "ends", "words"), [(-9, -1, "has expired"), (1, 9, "not yet valid")])
def test_every_certificate_must_be_valid_today(write, begins, ends, words):
    assert words in refused(write(issue("server", ROOT, names=NAMES, begins=begins, ends=ends), ROOT))
    old = issue("computing centre", ROOT, authority=True, begins=begins, ends=ends)
    assert words in refused(write(issue("server", old, names=NAMES), old, ROOT))


def test_the_authority_must_be_in_the_chain(write):
    server = issue("server", BETWEEN, names=NAMES)
    assert "not signed by the certificate after it" in refused(write(server, BETWEEN))
    assert "not signed by the certificate after it" in refused(write(server))
    assert "not signed by the certificate after it" in refused(write(server, ROOT, BETWEEN))
    assert "its last certificate is no authority" in refused(write(issue("server", names=NAMES)))


def test_an_impostor_s_intermediate_is_refused(write):
    impostor = issue("computing centre", authority=True)
    assert "not signed by" in refused(write(issue("server", impostor, names=NAMES), BETWEEN, ROOT))


def test_the_key_must_be_the_certificate_s_and_open(write):
    server = issue("server", ROOT, names=NAMES)
    assert "is not the key of its first certificate" in refused(write(server, ROOT, key=ROOT.key))
    assert "under a passphrase" in refused(write(server, ROOT, passphrase=b"secret"))


@pytest.mark.parametrize("file", ["chain", "key"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\n", bytes(99)])
def test_a_file_that_is_none_is_named(write, file, content):
    brought = write(issue("server", ROOT, names=NAMES), ROOT)
    path = getattr(brought, file)
    path.unlink() if content is None else path.write_bytes(content)
    assert str(path) in refused(brought)


@pytest.fixture
def brought_study(tmp_path, write):
    """A federation with a certificate of the university's."""
    root = tmp_path / "study"
    create_federation(root, {"server": {"host": HOST}}, write(issue("server", BETWEEN, names=NAMES), BETWEEN, ROOT))
    return FederationFolder(root)


def test_a_federation_with_a_brought_certificate_has_no_authority_of_its_own(brought_study):
    assert not brought_study.ca_key.exists()
    assert ca_fingerprint(brought_study) == ROOT.certificate.fingerprint(hashes.SHA256()).hex()
    assert brought_study.certificate.read_bytes().endswith(ROOT.pem)
    assert brought_study.certificate_key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CertificateError, match="--certificate CHAIN"):
        issue_server_certificate(brought_study, HOST)


def test_a_renewed_one_from_the_same_authority_is_taken(brought_study, write):
    renewed = issue("server", ROOT, names=NAMES)
    take_certificate(brought_study, HOST, write(renewed, ROOT))
    assert brought_study.certificate.read_bytes() == renewed.pem + ROOT.pem


def test_one_from_another_authority_would_lose_the_devices(brought_study, write):
    before = brought_study.certificate.read_bytes(), brought_study.certificate_key.read_bytes()
    other = issue("another university", authority=True)
    with pytest.raises(CertificateError, match="another authority than the one that invitations named"):
        take_certificate(brought_study, HOST, write(issue("server", other, names=NAMES), other))
    assert before == (brought_study.certificate.read_bytes(), brought_study.certificate_key.read_bytes())


def test_nothing_is_made_with_a_certificate_that_cannot_be_used(tmp_path, write):
    with pytest.raises(CertificateError, match="mismatch"):
        create_federation(tmp_path / "study", {"server": {"host": "x.org"}}, write(issue("s", ROOT, names=NAMES), ROOT))
    assert not FederationFolder(tmp_path / "study").settings.exists()
    create_federation(tmp_path / "study", {})
