"""The register's tables in SQLite, and the steps that bring the file of an older version up to them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shared_models.errors import StorageError
from shared_models.privacy.receipts import EMPTY_LEDGER

_LOCK_SECONDS = 30
# Step n leads from version n to n + 1. A step is never changed once a file was written with it.
_STEPS = (
    (
        "CREATE TABLE IF NOT EXISTS invitations"
        " (secret_sha256 BLOB PRIMARY KEY, expires INTEGER NOT NULL, used_by TEXT)",
        "CREATE TABLE IF NOT EXISTS devices (pseudonym TEXT PRIMARY KEY, node_key BLOB UNIQUE NOT NULL,"
        " ledger_key BLOB UNIQUE NOT NULL, enrolled INTEGER NOT NULL)",
    ),
    (
        "ALTER TABLE devices ADD COLUMN left_at INTEGER",
        "ALTER TABLE devices ADD COLUMN left_how TEXT CHECK (left_how IN ('withdrawn', 'removed'))",
        "ALTER TABLE devices ADD COLUMN ledger_entries INTEGER NOT NULL DEFAULT 0",
        f"ALTER TABLE devices ADD COLUMN ledger_head TEXT NOT NULL DEFAULT '{EMPTY_LEDGER.hash}'",
        "CREATE TABLE refusals (kind TEXT PRIMARY KEY, count INTEGER NOT NULL)",
    ),
    (
        "ALTER TABLE invitations ADD COLUMN replaces TEXT",
        "ALTER TABLE devices ADD COLUMN replaces TEXT",
    ),
)


def bring_up_to_date(path: Path) -> None:
    """Makes the tables or adds what is missing; raises StorageError where a newer version wrote the file."""
    with reading(path) as database:
        version = _version(database)
    if version > len(_STEPS):
        raise StorageError(f"{path} was written by a newer version of Attune", fix="Update Attune on this machine")
    if version == len(_STEPS):
        return
    with writing(path) as database:
        for step in _STEPS[_version(database) :]:  # asked again: another process may have been faster
            for statement in step:
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(_STEPS)}")
    path.chmod(0o600)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)) as database:
        yield database


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction, alone from its first statement on: kept at the end of the block, undone where that raises."""
    with reading(path) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])
