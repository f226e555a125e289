"""The append-only, hash-chained, signed record of privacy events. The server keeps one, each device its own.

An entry is {"seq", "prev", "body", "signature"}: `prev` is the SHA-256 of the entry before it, the signature is
Ed25519 over the canonical form of the other three. Entries are never changed or removed and a kind never changes its
meaning; an unknown kind fails closed. Epsilon is recomputed from the entries, never stored. A chain proves that a
record is consistent; it cannot prove that the noise was added.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_models.canonical import canonical, canonical_hash
from shared_models.errors import LedgerError
from shared_models.files import append_line
from shared_models.privacy.accounting import epsilon_at, mu_of

GENESIS = "0" * 64


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Debit(Body):
    """Privacy spent by a device: on disk before its update leaves, and never given back."""

    kind: Literal["debit"] = "debit"
    study: str
    device: str
    round: int
    nonce: str
    model_hash: str
    policy_hash: str
    sigma: float
    clip_norm: float
    q: Literal[1] = 1
    steps: int
    engine: str
    update_hash: str


class Released(Body):
    """The server has confirmed the update of the debit with this nonce."""

    kind: Literal["released"] = "released"
    nonce: str


class RoundClosed(Body):
    """A round of the server's: which model became which, by whose updates. `debits` are hashes of devices' entries."""

    kind: Literal["round"] = "round"
    study: str
    round: int
    policy_hash: str
    model_before: str
    model_after: str
    debits: dict[str, str]
    rejected: dict[str, int]


class RoundVoid(Body):
    """A round whose checkpoint was never completed; its devices' debits stand."""

    kind: Literal["round_void"] = "round_void"
    round: int


AnyBody = Annotated[Debit | Released | RoundClosed | RoundVoid, Field(discriminator="kind")]


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    seq: int
    prev: str
    body: AnyBody
    signature: Annotated[str, Field(pattern="^[0-9a-f]*$")]

    @property
    def hash(self) -> str:
        return canonical_hash(self.model_dump(mode="json"))

    def signed_bytes(self) -> bytes:
        return canonical(self.model_dump(mode="json", exclude={"signature"}))


def parse_entry(text: str | bytes) -> Entry:
    """One entry from its JSON; raises LedgerError where a field or kind is unknown or missing."""
    try:
        return Entry.model_validate_json(text)
    except ValidationError as error:
        raise LedgerError("A ledger entry cannot be read", why="it is damaged or of an unknown kind") from error


def check_signature(entry: Entry, key: Ed25519PublicKey) -> None:
    """Raises LedgerError unless `entry` was signed by the holder of `key`."""
    try:
        key.verify(bytes.fromhex(entry.signature), entry.signed_bytes())
    except (InvalidSignature, ValueError) as error:
        raise LedgerError(f"The signature of ledger entry {entry.seq} does not hold") from error


def check_chain(entries: Iterable[Entry], key: Ed25519PublicKey) -> None:
    """Raises LedgerError at the first entry that is out of order, unlinked or wrongly signed."""
    prev = GENESIS
    for expected, entry in enumerate(entries):
        if entry.seq != expected or entry.prev != prev:
            raise LedgerError(
                f"The ledger's chain breaks at entry {expected}", why="an entry was changed, dropped or moved"
            )
        check_signature(entry, key)
        prev = entry.hash


def read_ledger(path: Path, key: Ed25519PublicKey) -> list[Entry]:
    """The entries of a ledger file that another process may be writing; none where there is no file.

    Raises LedgerError where the chain or a signature does not hold.
    """
    raw = path.read_bytes() if path.exists() else b""
    entries = [_parse_line(line) for line in raw.split(b"\n")[:-1]]
    check_chain(entries, key)
    return entries


def debits_of(entries: Iterable[Entry]) -> list[Debit]:
    """What a device has spent, in order."""
    return [entry.body for entry in entries if isinstance(entry.body, Debit)]


def events_of(debits: Iterable[Debit]) -> list[tuple[int, float]]:
    """(steps, sigma) of each debit: what accounting composes."""
    return [(debit.steps, debit.sigma) for debit in debits]


def spent_epsilon(debits: Iterable[Debit], delta: float) -> float:
    """The epsilon of one sequence at `delta`, recomputed from every debit of its device."""
    return epsilon_at(mu_of(events_of(debits)), delta)


class Ledger:
    """A ledger file, one entry a line, opened for appending. Every append is on disk when it returns."""

    def __init__(self, path: Path, key: Ed25519PrivateKey) -> None:
        """Reads and checks `path`; a half-written last line, left by a crash, is cut off.

        Raises LedgerError where the chain or a signature does not hold.
        """
        self._path, self._key = path, key
        _cut_off_half_line(path)
        self.entries = read_ledger(path, key.public_key())

    @property
    def head(self) -> str:
        """The hash of the last entry."""
        return self.entries[-1].hash if self.entries else GENESIS

    @property
    def debits(self) -> list[Debit]:
        return debits_of(self.entries)

    def append(self, body: Debit | Released | RoundClosed | RoundVoid) -> Entry:
        """Signs `body`, writes it behind the last entry and flushes it to the disk.

        Raises StorageError where the disk is full; the ledger is then as it was.
        """
        unsigned = Entry(seq=len(self.entries), prev=self.head, body=body, signature="")
        entry = unsigned.model_copy(update={"signature": self._key.sign(unsigned.signed_bytes()).hex()})
        append_line(self._path, canonical(entry.model_dump(mode="json")))
        self.entries.append(entry)
        return entry


def _parse_line(line: bytes) -> Entry:
    """One entry from its line; every byte counts, so only the canonical form is taken."""
    entry = parse_entry(line)
    if canonical(entry.model_dump(mode="json")) != line:
        raise LedgerError(f"The line of ledger entry {entry.seq} was changed", why="it is not in canonical form")
    return entry


def _cut_off_half_line(path: Path) -> None:
    raw = path.read_bytes() if path.exists() else b""
    complete = raw.rfind(b"\n") + 1
    if complete < len(raw):
        os.truncate(path, complete)
