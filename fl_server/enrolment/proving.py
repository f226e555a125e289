"""Who holds which keys: each check verifies one signature, whatever is wrong with what it is given."""

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

_ED25519_BYTES = 32
_ECDSA = ec.ECDSA(hashes.SHA256())
_DUMMY_NODE: Final = ec.generate_private_key(ec.SECP384R1())
_DUMMY_LEDGER: Final = Ed25519PrivateKey.generate()
_DUMMY_NODE_PROOF = _DUMMY_NODE.sign(b"", _ECDSA)


def node_key_of(pem: bytes) -> ec.EllipticCurvePublicKey | None:
    """The P-384 key in `pem`; None where there is none."""
    try:
        key = load_pem_public_key(pem)
    except (UnsupportedAlgorithm, ValueError):
        return None
    usable = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1)
    return key if usable else None  # type: ignore[return-value]


def one_form(key: ec.EllipticCurvePublicKey) -> bytes:
    """The one PEM form of `key`: written otherwise, a key that is taken would look like a new one."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def node_proof_holds(key: ec.EllipticCurvePublicKey | None, proof: bytes, signed: bytes) -> bool:
    """Whether the holder of `key` signed `signed`; never where there is no key."""
    try:
        (key or _DUMMY_NODE.public_key()).verify(proof if key else _DUMMY_NODE_PROOF, signed, _ECDSA)
    except InvalidSignature:
        return False
    return key is not None


def ledger_proof_holds(key: bytes | None, proof: bytes, signed: bytes) -> bool:
    """Whether the holder of the Ed25519 key signed `signed`; never where there is no key, or it has another length."""
    usable = key is not None and len(key) == _ED25519_BYTES
    public = Ed25519PublicKey.from_public_bytes(key) if usable and key else _DUMMY_LEDGER.public_key()
    try:
        public.verify(proof, signed)
    except InvalidSignature:
        return False
    return usable
