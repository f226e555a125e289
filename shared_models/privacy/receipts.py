"""The server's word on how far it has seen a device's ledger: a second witness against a restored old copy."""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared_models.canonical import canonical


@dataclass(frozen=True)
class Receipt:
    """`entry` is the hash of the last entry of a device's ledger that the server has used; empty where there is none.

    The signature is the server's Ed25519 over study, device and entry, in hex.
    """

    entry: str
    signature: str


def sign_receipt(key: Ed25519PrivateKey, study: str, device: str, entry: str) -> Receipt:
    return Receipt(entry, key.sign(_signed(study, device, entry)).hex())


def receipt_holds(receipt: Receipt, key: Ed25519PublicKey, study: str, device: str) -> bool:
    """Whether the holder of `key` signed `receipt` for this device."""
    try:
        key.verify(bytes.fromhex(receipt.signature), _signed(study, device, receipt.entry))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(study: str, device: str, entry: str) -> bytes:
    return canonical({"kind": "receipt", "study": study, "device": device, "entry": entry})
