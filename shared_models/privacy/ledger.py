"""The append-only, hash-chained, signed record of privacy events. The server keeps one, each device its own.

An entry is {"v", "seq", "prev", "at", "body", "signature"}: `prev` is the SHA-256 of the entry before it, `at` the
Unix second at which what it records began, the signature is Ed25519 over the canonical form of the other five.
Entries are never changed or removed. Epsilon is recomputed from them, never stored. A chain proves that a record is
consistent; it cannot prove that the noise was added.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_models.canonical import canonical, canonical_hash
from shared_models.errors import ClockError, LedgerError
from shared_models.files import append_line, cut_off_half_line
from shared_models.privacy.events import AnyEvent, Intent

GENESIS = "0" * 64


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[2] = 2
    seq: int
    prev: str
    at: int
    body: AnyEvent
    signature: Annotated[str, Field(pattern="^[0-9a-f]*$")]

    @property
    def hash(self) -> str:
        return canonical_hash(self.model_dump(mode="json"))

    def signed_bytes(self) -> bytes:
        return canonical(self.model_dump(mode="json", exclude={"signature"}))


class HighWaterMark(Protocol):
    """A note of how far a ledger had come, kept where a copy of its file does not reach."""

    def read(self) -> tuple[int, str] | None:
        """The number of entries and the hash of the last; None where nothing was noted, or it cannot be kept."""

    def note(self, entries: int, head: str) -> None: ...


def parse_entry(text: str | bytes) -> Entry:
    """One entry from its JSON; raises LedgerError where a field, kind or version is unknown or missing."""
    try:
        return Entry.model_validate_json(text)
    except ValidationError as error:
        raise LedgerError(
            "A ledger entry cannot be read",
            why="it is damaged, or of a kind or version that this program does not know",
            fix="Update Attune if a newer one wrote it; do not repair it by hand",
        ) from error


def check_signature(entry: Entry, key: Ed25519PublicKey) -> None:
    """Raises LedgerError unless `entry` was signed by the holder of `key`."""
    try:
        key.verify(bytes.fromhex(entry.signature), entry.signed_bytes())
    except (InvalidSignature, ValueError) as error:
        raise LedgerError(f"The signature of ledger entry {entry.seq} does not hold") from error


def check_chain(entries: Iterable[Entry], key: Ed25519PublicKey) -> None:
    """Raises LedgerError at the first entry that is out of order, unlinked, earlier than the last or wrongly signed."""
    prev, at = GENESIS, 0
    for expected, entry in enumerate(entries):
        if entry.seq != expected or entry.prev != prev or entry.at < at:
            raise LedgerError(
                f"The ledger's chain breaks at entry {expected}", why="an entry was changed, dropped or moved"
            )
        check_signature(entry, key)
        prev, at = entry.hash, entry.at


def read_ledger(path: Path, key: Ed25519PublicKey) -> list[Entry]:
    """The entries of a ledger file that another process may be writing; none where there is no file.

    Raises LedgerError where the chain or a signature does not hold.
    """
    raw = path.read_bytes() if path.exists() else b""
    entries = [_parse_line(line) for line in raw.split(b"\n")[:-1]]
    check_chain(entries, key)
    return entries


def intents_of(entries: Iterable[Entry]) -> list[Intent]:
    """What a device has spent, in order."""
    return [entry.body for entry in entries if isinstance(entry.body, Intent)]


class Ledger:
    """A ledger file, one entry a line, opened for appending. Every append is on disk when it returns."""

    def __init__(self, path: Path, key: Ed25519PrivateKey, mark: HighWaterMark | None = None) -> None:
        """Reads and checks `path`; a half-written last line, left by a crash, is cut off.

        Raises LedgerError where the chain or a signature does not hold, or the file ends before `mark`.
        """
        self._path, self._key, self._mark = path, key, mark
        cut_off_half_line(path)
        self.entries = read_ledger(path, key.public_key())
        noted = mark.read() if mark is not None else None
        if noted is not None and not self._reaches(*noted):
            raise LedgerError(
                "This ledger is an old copy",
                why=f"this computer's key store remembers {noted[0]} entries of it, and they are not all there",
                fix="Put the newest copy back. Spent budget is never given back by restoring a backup",
            )

    @property
    def head(self) -> str:
        """The hash of the last entry."""
        return self.entries[-1].hash if self.entries else GENESIS

    @property
    def intents(self) -> list[Intent]:
        return intents_of(self.entries)

    def holds(self, entry_hash: str) -> bool:
        """Whether an entry with this hash is in the ledger."""
        return any(entry.hash == entry_hash for entry in self.entries)

    def now(self) -> int:
        """The time, Unix seconds, for what begins now; raises ClockError where it is before the last entry's."""
        at = int(time.time())
        if at < self._latest:
            raise ClockError(
                "This computer's clock runs backwards",
                why=f"the ledger's last entry was written {self._latest - at} seconds from now",
                fix="Let the system set its clock from the network, then try again",
            )
        return at

    def append(self, body: AnyEvent, at: int | None = None) -> Entry:
        """Signs `body`, writes it behind the last entry and flushes it to the disk.

        at: what `now` gave when what `body` records began; the present, where it is not given

        Raises StorageError where the disk is full; the ledger is then as it was.
        """
        began = max(int(time.time()), self._latest) if at is None else at
        unsigned = Entry(seq=len(self.entries), prev=self.head, at=began, body=body, signature="")
        entry = unsigned.model_copy(update={"signature": self._key.sign(unsigned.signed_bytes()).hex()})
        append_line(self._path, canonical(entry.model_dump(mode="json")))
        self.entries.append(entry)
        if self._mark is not None:
            self._mark.note(len(self.entries), entry.hash)
        return entry

    @property
    def _latest(self) -> int:
        return self.entries[-1].at if self.entries else 0

    def _reaches(self, entries: int, head: str) -> bool:
        return len(self.entries) >= entries and (entries == 0 or self.entries[entries - 1].hash == head)


def _parse_line(line: bytes) -> Entry:
    """One entry from its line; every byte counts, so only the canonical form is taken."""
    entry = parse_entry(line)
    if canonical(entry.model_dump(mode="json")) != line:
        raise LedgerError(f"The line of ledger entry {entry.seq} was changed", why="it is not in canonical form")
    return entry
