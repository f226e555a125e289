"""A certificate chain that the operator brings, checked the way a device will check it."""

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from shared_models.errors import CertificateError


def read_chain(chain: Path, key: Path, host: str) -> x509.Certificate:
    """The authority at the end of the chain in these PEM files.

    Raises CertificateError, naming the file, where one cannot be read, the key is another's or has a passphrase, a
    certificate is not signed by the next, the last is no authority, or a device would refuse `host` with it today.
    """
    certificates = _certificates(chain)
    if _private_key(key).public_key() != certificates[0].public_key():
        raise _refused(chain, f"the key in {key} is not the key of its first certificate")
    for issued, issuer in zip(certificates, [*certificates[1:], certificates[-1]], strict=True):
        if not _is_issued_by(issued, issuer):
            raise _refused(
                chain,
                f"'{issued.subject.rfc4514_string()}' is not signed by the certificate after it",
                "Put the server's certificate first, then each one that signed the one before, the root last",
            )
    _require_authority(chain, certificates[-1])
    _shake_hands(chain, key, certificates[-1], host)
    return certificates[-1]


def _certificates(chain: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(chain.read_bytes())
    except (OSError, ValueError) as error:
        raise _refused(chain, "it holds no certificates in PEM") from error


def _private_key(path: Path):  # type: ignore[no-untyped-def]
    try:
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except TypeError as error:
        raise _refused(
            path, "it is under a passphrase, which nobody could enter at a restart", "Give the key without one"
        ) from error
    except (OSError, ValueError) as error:
        raise _refused(path, "it holds no private key in PEM") from error


def _is_issued_by(issued: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _require_authority(chain: Path, last: x509.Certificate) -> None:
    try:
        is_authority = last.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise _refused(
            chain, "its last certificate is no authority", "Append the certificates that signed it, the root last"
        )


def _shake_hands(chain: Path, key: Path, authority: x509.Certificate, host: str) -> None:
    """A TLS handshake in memory: the server with this chain, a device that trusts this authority and wants `host`."""
    server, device = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        server.load_cert_chain(chain, key)
        device.load_verify_locations(cadata=authority.public_bytes(serialization.Encoding.DER))
        ends = [
            device.wrap_bio(back, there, server_hostname=host),
            server.wrap_bio(there, back, server_side=True),
        ]
        for end in ends * 3:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    except ssl.SSLCertVerificationError as error:
        raise _refused(
            chain,
            f"a device would refuse it: {error.verify_message.rstrip('.')}",
            f"The names in it must cover server.host, which is {host}, and all of it must be valid today",
        ) from error
    except ssl.SSLError as error:
        raise _refused(chain, f"TLS cannot use it ({error.reason or 'no reason given'})") from error


def _refused(path: Path, why: str, fix: str = "Check the file") -> CertificateError:
    return CertificateError(f"{path} cannot be used", why=why, fix=fix)
