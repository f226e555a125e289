"""The federation's certificate authority, its own or brought, the server's certificate, and the keys behind them."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fl_server.chain import read_chain
from fl_server.folder import FederationFolder
from shared_models.errors import CertificateError, SettingsError
from shared_models.files import atomic_write

_CA_DAYS = 3650
_SERVER_DAYS = 397
_NAME_LENGTH = 64
_BACKDATED = dt.timedelta(hours=1)
_WARNED_DAYS = 30


@dataclass(frozen=True)
class Brought:
    """Files of the operator's: a certificate chain that ends with its authority, and its key, both PEM."""

    chain: Path
    key: Path


def create_identity(folder: FederationFolder, study: str, host: str, brought: Brought | None = None) -> None:
    """Makes the key that signs the ledger, and the CA and the server's certificate for `host` where none is brought.

    Key files are 0600. Raises CertificateError where what is brought cannot be used.
    """
    if brought is None:
        ca_key = ec.generate_private_key(ec.SECP384R1())
        ca = _ca_certificate(ca_key, study)
        atomic_write(folder.ca_key, _pem(ca_key))
        atomic_write(folder.ca_certificate, ca.public_bytes(serialization.Encoding.PEM), 0o644)
        issue_server_certificate(folder, host)
    else:
        take_certificate(folder, host, brought)
    atomic_write(folder.signing_key, _pem(Ed25519PrivateKey.generate()))


def take_certificate(folder: FederationFolder, host: str, brought: Brought) -> None:
    """Takes a certificate that the operator brings for `host`; devices trust the authority at its chain's end.

    Raises CertificateError where it cannot be used, or ends in another authority than devices trust already.
    """
    authority = read_chain(brought.chain, brought.key, host)
    if not folder.ca_certificate.exists():
        atomic_write(folder.ca_certificate, authority.public_bytes(serialization.Encoding.PEM), 0o644)
    elif authority.fingerprint(hashes.SHA256()).hex() != ca_fingerprint(folder):
        raise CertificateError(
            f"{brought.chain} cannot be used",
            why="it ends in another authority than the one that invitations named and devices trust",
            fix="Bring a certificate from the same authority; every device would have to enrol anew with this one",
        )
    atomic_write(folder.certificate_key, brought.key.read_bytes())
    atomic_write(folder.certificate, brought.chain.read_bytes(), 0o644)


def issue_server_certificate(folder: FederationFolder, host: str, days: int = _SERVER_DAYS) -> None:
    """Signs a new certificate for `host` with the federation's CA. Devices trust the CA, so they stay enrolled.

    The file holds the whole chain: a device that knows only the CA's fingerprint finds the CA in it. Raises
    CertificateError where the CA is not the federation's own.
    """
    if not folder.ca_key.exists():
        raise CertificateError(
            "This federation cannot issue a certificate",
            why="its certificate was brought, and the authority behind it is elsewhere",
            fix=f"`fl-server renew {folder.root} --certificate CHAIN --certificate-key KEY`",
        )
    ca = x509.load_pem_x509_certificate(folder.ca_certificate.read_bytes())
    ca_key = serialization.load_pem_private_key(folder.ca_key.read_bytes(), None)
    key = ec.generate_private_key(ec.SECP384R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("attune server"))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(_alternative_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False)  # type: ignore[arg-type]
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA384())  # type: ignore[arg-type]
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM) + ca.public_bytes(serialization.Encoding.PEM)
    atomic_write(folder.certificate_key, _pem(key))
    atomic_write(folder.certificate, chain, 0o644)


def check_certificate(folder: FederationFolder) -> None:
    """Raises CertificateError where the server's certificate has expired or is not yet valid."""
    certificate = x509.load_pem_x509_certificate(folder.certificate.read_bytes())
    now = dt.datetime.now(dt.UTC)
    if now > certificate.not_valid_after_utc:
        raise CertificateError(
            f"The server's certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}",
            fix=f"Issue a new one with `fl-server renew {folder.root}`; devices stay enrolled",
        )
    if now < certificate.not_valid_before_utc:
        raise CertificateError(
            f"The server's certificate is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            why="this machine's clock is behind",
            fix="Set the clock and start again",
        )


def expiry_warning(folder: FederationFolder) -> str | None:
    """One sentence where the server's certificate runs out within 30 days."""
    expires = x509.load_pem_x509_certificate(folder.certificate.read_bytes()).not_valid_after_utc
    days = max(0, (expires - dt.datetime.now(dt.UTC)).days)
    if days >= _WARNED_DAYS:
        return None
    return f"The server's certificate expires in {days} days; renew it with `fl-server renew {folder.root}`"


def current_certificate(folder: FederationFolder) -> tuple[bytes, bytes]:
    """The server's key and its certificate chain as they are on the disk now, PEM: what a listener is to show.

    Raises CertificateError where they do not fit, as in the moment between the two files of a renewal.
    """
    key, chain = folder.certificate_key.read_bytes(), folder.certificate.read_bytes()
    try:
        fits = (
            serialization.load_pem_private_key(key, None).public_key()
            == x509.load_pem_x509_certificate(chain).public_key()
        )
    except ValueError:
        fits = False
    if not fits:
        raise CertificateError(
            "The server's certificate and its key do not fit",
            fix=f"Issue a new one with `fl-server renew {folder.root}`; devices stay enrolled",
        )
    return key, chain


def ca_fingerprint(folder: FederationFolder) -> str:
    """SHA-256, in hex, of the CA certificate in DER: what an invitation names."""
    return x509.load_pem_x509_certificate(folder.ca_certificate.read_bytes()).fingerprint(hashes.SHA256()).hex()


def load_signing_key(folder: FederationFolder) -> Ed25519PrivateKey:
    """Raises SettingsError where the key file is missing or is not an Ed25519 key."""
    try:
        key = serialization.load_pem_private_key(folder.signing_key.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise SettingsError(f"The key {folder.signing_key} cannot be read", fix="Restore it from a backup") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"The key {folder.signing_key} is not an Ed25519 key", fix="Restore it from a backup")
    return key


def _ca_certificate(key: ec.EllipticCurvePrivateKey, study: str) -> x509.Certificate:
    name, now = _name(f"certificate authority of {study}"[:_NAME_LENGTH]), dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_certificate_signing(), critical=True)
        .sign(key, hashes.SHA384())
    )


def _certificate_signing() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    try:
        address = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return [*names, x509.DNSName(host)]
    return names if address in names else [*names, address]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
