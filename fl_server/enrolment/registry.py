"""Invitations given out, devices enrolled and those that left, in one SQLite file.

Of invitation secrets only hashes are kept. A device is never deleted: its keys cannot enrol again.
"""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from fl_server.enrolment.tables import bring_up_to_date, reading, writing
from shared_models.enrolment.invitation import SECRET_BYTES
from shared_models.privacy.receipts import EMPTY_LEDGER, LedgerHead

_PSEUDONYM_BYTES = 4

Departure = Literal["withdrawn", "removed"]


class Refusal(StrEnum):
    """Why somebody was refused: counted for the operator, never told to whoever asked."""

    MALFORMED = "malformed"
    WRONG_PROOF = "wrong_proof"
    GUESSED = "guessed"
    USED = "used"
    EXPIRED = "expired"
    KEY_TAKEN = "key_taken"
    UNKNOWN_DEVICE = "unknown_device"
    DEVICE_LEFT = "device_left"
    OLD_LEDGER = "old_ledger"


@dataclass(frozen=True)
class Device:
    """One enrolled laptop. `node_key` is PEM (EC P-384), `ledger_key` 32 bytes (Ed25519)."""

    pseudonym: str
    node_key: bytes
    ledger_key: bytes
    earlier: tuple[str, ...] = ()
    """The devices that it replaces, newest first: their rounds count as its own."""


@dataclass(frozen=True)
class Member:
    """What is known of a device: when it enrolled and left, in Unix seconds, and the furthest head of its ledger."""

    device: Device
    enrolled: int
    left: int | None
    how: Departure | None
    head: LedgerHead


class Registry:
    """Opened by the server and by `fl-server` commands, side by side; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises StorageError where a newer version wrote the file."""
        self._path = path
        bring_up_to_date(path)

    def invite(self, valid_seconds: int, replaces: str | None = None) -> tuple[bytes, int]:
        """A fresh secret and the Unix time at which it expires.

        replaces: a device that has left, as others see it, once another enrols with this invitation in its place
        """
        secret, expires = secrets.token_bytes(SECRET_BYTES), int(time.time()) + valid_seconds
        with writing(self._path) as database:
            database.execute("INSERT INTO invitations VALUES (?, ?, NULL, ?)", (_hashed(secret), expires, replaces))
        return secret, expires

    def accepts(self, secret: bytes) -> bool:
        """Whether `secret` belongs to an invitation that is unused and not expired; counted where it does not.

        A secret has 256 bits and is looked up by its hash, so the time this takes tells nothing of other secrets.
        """
        with writing(self._path) as database:
            refusal = _judged(_invitation(database, secret))
            if refusal is not None:
                _count(database, refusal)
        return refusal is None

    def enrol(
        self,
        secret: bytes,
        node_key: bytes,
        ledger_key: bytes,
        head: LedgerHead = EMPTY_LEDGER,
        flaw: Refusal | None = None,
    ) -> Device | None:
        """Uses the invitation up and binds the keys to a new pseudonym; None, counted, where that cannot be.

        flaw: what is wrong with the request already; then too everything is looked up, so that all refusals take
        the same work.
        """
        with writing(self._path) as database:
            invitation = _invitation(database, secret)
            invalid = _judged(invitation)
            taken = _exists(database, "node_key = ? OR ledger_key = ?", node_key, ledger_key)
            refusal = flaw or invalid or (Refusal.KEY_TAKEN if taken else None)
            if refusal is not None or invitation is None:
                _count(database, refusal or Refusal.GUESSED)
                return None
            device = Device(_new_pseudonym(database), node_key, ledger_key, _chain(database, invitation.replaces))
            database.execute(
                "UPDATE invitations SET used_by = ? WHERE secret_sha256 = ?", (device.pseudonym, _hashed(secret))
            )
            database.execute(
                "INSERT INTO devices (pseudonym, node_key, ledger_key, enrolled, replaces, ledger_entries, ledger_head)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (device.pseudonym, node_key, ledger_key, int(time.time()), invitation.replaces, *head),
            )
            _leave(database, device.earlier[:1], "removed")
        return device

    def members(self) -> list[Member]:
        """Everybody who ever enrolled, in order."""
        with reading(self._path) as database:
            rows = list(database.execute(f"{_MEMBERS} ORDER BY enrolled, rowid"))
            return [_member(row, _chain(database, row[-1])) for row in rows]

    def member(self, pseudonym: str) -> Member | None:
        with reading(self._path) as database:
            row = database.execute(f"{_MEMBERS} WHERE pseudonym = ?", (pseudonym,)).fetchone()
            return None if row is None else _member(row, _chain(database, row[-1]))

    def devices(self) -> list[Device]:
        """Every device that ever enrolled, in order."""
        return [member.device for member in self.members()]

    def active(self) -> list[Device]:
        """The devices that have not left."""
        return [member.device for member in self.members() if member.left is None]

    def advance(self, pseudonym: str, head: LedgerHead) -> bool:
        """Keeps `head` as the furthest of the device's ledger; False, counted, where a further one was seen."""
        with writing(self._path) as database:
            seen = LedgerHead(
                *database.execute(
                    "SELECT ledger_entries, ledger_head FROM devices WHERE pseudonym = ?", (pseudonym,)
                ).fetchone()
            )
            if head.entries < seen.entries or (head.entries == seen.entries and head != seen):
                _count(database, Refusal.OLD_LEDGER)
                return False
            database.execute(
                "UPDATE devices SET ledger_entries = ?, ledger_head = ? WHERE pseudonym = ?", (*head, pseudonym)
            )
        return True

    def leave(self, pseudonyms: Iterable[str], how: Departure) -> None:
        """These devices take part no more. Who has left already stays as it left."""
        with writing(self._path) as database:
            _leave(database, pseudonyms, how)

    def open_invitations(self) -> int:
        """How many invitations are unused and not expired."""
        with reading(self._path) as database:
            row = database.execute(
                "SELECT count(*) FROM invitations WHERE used_by IS NULL AND expires >= ?", (int(time.time()),)
            ).fetchone()
        return int(row[0])

    def count(self, refusal: Refusal) -> None:
        with writing(self._path) as database:
            _count(database, refusal)

    def refusals(self) -> dict[str, int]:
        """How often somebody was refused, by reason."""
        with reading(self._path) as database:
            return dict(database.execute("SELECT kind, count FROM refusals ORDER BY kind"))

    @contextmanager
    def watched(self) -> Iterator[Callable[[], int]]:
        """A number that changes whenever anybody else, in this process or another, has written to the file."""
        with reading(self._path) as database:
            yield lambda: int(database.execute("PRAGMA data_version").fetchone()[0])


_MEMBERS = (
    "SELECT pseudonym, node_key, ledger_key, enrolled, left_at, left_how, ledger_entries, ledger_head, replaces"
    " FROM devices"
)


class _Invitation(NamedTuple):
    expires: int
    used_by: str | None
    replaces: str | None


def _member(row: tuple, earlier: tuple[str, ...]) -> Member:
    pseudonym, node_key, ledger_key, enrolled, left, how, entries, head, _ = row
    return Member(Device(pseudonym, node_key, ledger_key, earlier), enrolled, left, how, LedgerHead(entries, head))


def _chain(database: sqlite3.Connection, replaced: str | None) -> tuple[str, ...]:
    """`replaced`, the device that it replaced, and so on. Each enrolled before the next, so that this ends."""
    chain = []
    while replaced is not None:
        chain.append(replaced)
        (replaced,) = database.execute("SELECT replaces FROM devices WHERE pseudonym = ?", (replaced,)).fetchone()
    return tuple(chain)


def _leave(database: sqlite3.Connection, pseudonyms: Iterable[str], how: Departure) -> None:
    now = int(time.time())
    database.executemany(
        "UPDATE devices SET left_at = ?, left_how = ? WHERE pseudonym = ? AND left_at IS NULL",
        [(now, how, pseudonym) for pseudonym in pseudonyms],
    )


def _invitation(database: sqlite3.Connection, secret: bytes) -> _Invitation | None:
    row = database.execute(
        "SELECT expires, used_by, replaces FROM invitations WHERE secret_sha256 = ?", (_hashed(secret),)
    ).fetchone()
    return None if row is None else _Invitation(*row)


def _judged(invitation: _Invitation | None) -> Refusal | None:
    if invitation is None:
        return Refusal.GUESSED
    if invitation.used_by is not None:
        return Refusal.USED
    return Refusal.EXPIRED if invitation.expires < int(time.time()) else None


def _new_pseudonym(database: sqlite3.Connection) -> str:
    while True:
        pseudonym = secrets.token_hex(_PSEUDONYM_BYTES)
        if not _exists(database, "pseudonym = ?", pseudonym):
            return pseudonym


def _exists(database: sqlite3.Connection, condition: str, *values: str | bytes) -> bool:
    return bool(database.execute(f"SELECT count(*) FROM devices WHERE {condition}", values).fetchone()[0])


def _count(database: sqlite3.Connection, refusal: Refusal) -> None:
    database.execute(
        "INSERT INTO refusals VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET count = count + 1", (refusal.value,)
    )


def _hashed(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
