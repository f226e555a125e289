"""Invitations given out and devices enrolled, in one SQLite file. Only hashes of invitation secrets are kept."""

import hashlib
import secrets
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from shared_models.enrolment.invitation import SECRET_BYTES

_SCHEMA = """
CREATE TABLE IF NOT EXISTS invitations (
    secret_sha256 BLOB PRIMARY KEY, expires INTEGER NOT NULL, used_by TEXT
);
CREATE TABLE IF NOT EXISTS devices (
    pseudonym TEXT PRIMARY KEY, node_key BLOB UNIQUE NOT NULL, ledger_key BLOB UNIQUE NOT NULL,
    enrolled INTEGER NOT NULL
);
"""
_PSEUDONYM_BYTES = 4


@dataclass(frozen=True)
class Device:
    """One enrolled laptop. `node_key` is PEM (EC P-384), `ledger_key` 32 bytes (Ed25519)."""

    pseudonym: str
    node_key: bytes
    ledger_key: bytes


class Registry:
    """Opened by the server and by `fl-server invite`, side by side; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.executescript(_SCHEMA)
        path.chmod(0o600)

    def invite(self, valid_seconds: int) -> tuple[bytes, int]:
        """A fresh secret and the Unix time at which it expires."""
        secret, expires = secrets.token_bytes(SECRET_BYTES), int(time.time()) + valid_seconds
        with self._open() as database:
            database.execute("INSERT INTO invitations VALUES (?, ?, NULL)", (_hashed(secret), expires))
        return secret, expires

    def is_valid(self, secret: bytes) -> bool:
        """Whether `secret` belongs to an invitation that is unused and not expired.

        A secret has 256 bits and is looked up by its hash, so the time this takes tells nothing of other secrets.
        """
        with self._open() as database:
            row = database.execute(
                "SELECT 1 FROM invitations WHERE secret_sha256 = ? AND used_by IS NULL AND expires >= ?",
                (_hashed(secret), int(time.time())),
            ).fetchone()
        return row is not None

    def enrol(self, secret: bytes, node_key: bytes, ledger_key: bytes) -> Device | None:
        """Uses the invitation up and binds the keys to a new pseudonym; None where it is invalid or a key is taken."""
        device = Device(secrets.token_hex(_PSEUDONYM_BYTES), node_key, ledger_key)
        with self._open() as database:
            used = database.execute(
                "UPDATE invitations SET used_by = ? WHERE secret_sha256 = ? AND used_by IS NULL AND expires >= ?",
                (device.pseudonym, _hashed(secret), int(time.time())),
            )
            if used.rowcount != 1:
                return None
            try:
                database.execute(
                    "INSERT INTO devices VALUES (?, ?, ?, ?)",
                    (device.pseudonym, node_key, ledger_key, int(time.time())),
                )
            except sqlite3.IntegrityError:
                database.rollback()
                return None
        return device

    def devices(self) -> list[Device]:
        with self._open() as database:
            rows = database.execute("SELECT pseudonym, node_key, ledger_key FROM devices ORDER BY enrolled, rowid")
            return [Device(*row) for row in rows]

    def open_invitations(self) -> int:
        """How many invitations are unused and not expired."""
        with self._open() as database:
            row = database.execute(
                "SELECT count(*) FROM invitations WHERE used_by IS NULL AND expires >= ?", (int(time.time()),)
            ).fetchone()
        return int(row[0])

    def _open(self) -> "_Connection":
        return _Connection(self._path)


class _Connection:
    """A connection for one transaction: committed and closed at the end of the `with` block."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=30)

    def __enter__(self) -> sqlite3.Connection:
        return self._database

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._database.commit()
        self._database.close()


def _hashed(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
