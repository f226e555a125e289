"""The server's word on how far it has seen a device's ledger: a second witness against a restored old copy."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared_models.canonical import canonical
from shared_models.privacy.ledger import GENESIS

_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Receipt:
    """`entry` is the hash of the last entry of a device's ledger that the server has used; empty where there is none.

    The signature is the server's Ed25519 over study, device and entry, in hex.
    """

    entry: str
    signature: str


class LedgerHead(NamedTuple):
    """How far a ledger has come: the number of its entries and the hash of the last."""

    entries: int
    hash: str

    @property
    def is_well_formed(self) -> bool:
        return _HASH.fullmatch(self.hash) is not None and (self.entries > 0) == (self.hash != GENESIS)


EMPTY_LEDGER = LedgerHead(0, GENESIS)


@dataclass(frozen=True)
class HeadReceipt:
    """The server countersigned a device's whole ledger: so many entries, ending with this one, at this Unix second.

    The signature is the server's Ed25519 over study, device, head and time, in hex.
    """

    head: LedgerHead
    at: int
    signature: str


def sign_receipt(key: Ed25519PrivateKey, study: str, device: str, entry: str) -> Receipt:
    return Receipt(entry, key.sign(_signed(study, device, entry)).hex())


def receipt_holds(receipt: Receipt, key: Ed25519PublicKey, study: str, device: str) -> bool:
    """Whether the holder of `key` signed `receipt` for this device."""
    return _holds(receipt.signature, key, _signed(study, device, receipt.entry))


def sign_head(key: Ed25519PrivateKey, study: str, device: str, head: LedgerHead, at: int) -> HeadReceipt:
    return HeadReceipt(head, at, key.sign(_signed_head(study, device, head, at)).hex())


def head_receipt_holds(receipt: HeadReceipt, key: Ed25519PublicKey, study: str, device: str) -> bool:
    """Whether the holder of `key` countersigned this head of this device's ledger."""
    return _holds(receipt.signature, key, _signed_head(study, device, receipt.head, receipt.at))


def _holds(signature: str, key: Ed25519PublicKey, signed: bytes) -> bool:
    try:
        key.verify(bytes.fromhex(signature), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(study: str, device: str, entry: str) -> bytes:
    return canonical({"kind": "receipt", "study": study, "device": device, "entry": entry})


def _signed_head(study: str, device: str, head: LedgerHead, at: int) -> bytes:
    facts = {"device": device, "entries": head.entries, "head": head.hash, "at": at}
    return canonical({"kind": "head", "study": study, **facts})
