"""Flower's SQLite file: freed of what dead runs left, watched for waiting tasks, and replaced where it is damaged.

It holds nothing of ours. Of its tables only the nodes' registrations outlive a run.
"""

import contextlib
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from shared_models.errors import StorageError
from shared_models.files import disk_full, storage_errors

_PRAGMAS = {"cache_size": -2000, "mmap_size": 0, "synchronous": "OFF"}
_KEPT = ("node", "alembic_version")
_WAIT_SECONDS = 5.0
_BUSY, _FULL = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), sqlite3.SQLITE_FULL
log = logging.getLogger(__name__)


def prepare(path: Path) -> None:
    """Before Flower opens it: empties and shrinks the file; a damaged one is set aside, and Flower makes a new one.

    Nobody is online any more: else Flower would turn a device away for up to a minute after a server was killed.

    Raises StorageError where another program holds the file or the disk is full.
    """
    if not path.exists():
        return
    try:
        purge(path)
        with contextlib.closing(_open(path)) as database:
            database.execute("UPDATE node SET status = 'offline', online_until = 0 WHERE status = 'online'")
            database.execute("VACUUM")
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise StorageError(
                f"{path} cannot be used",
                why="another program holds it",
                fix="Stop that program, or wait until it is done, and start again",
            ) from error
        if code == _FULL:
            raise disk_full(path) from error
        _set_aside(path)


def purge(path: Path) -> None:
    """Removes every run with its messages and objects. Call it while no run is in progress."""
    with contextlib.closing(_open(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        database.execute("BEGIN IMMEDIATE")
        for table in set(tables) - set(_KEPT):
            if not table.startswith("sqlite_"):
                database.execute(f'DELETE FROM "{table}"')
        database.execute("COMMIT")


def make_modest(engine: Engine) -> None:
    """Connections of `engine` take little memory and do not wait for the disk.

    Flower gives each of them 64 MB of cache and maps the file into memory, which with a cohort's updates in it is most
    of what a server would hold. And the file need not survive a power cut: it is transport state, and made anew.
    """

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        for pragma, value in _PRAGMAS.items():
            connection.execute(f"PRAGMA {pragma} = {value}")

    engine.dispose()  # those that are open already have Flower's own settings


class Mailbox:
    """Which nodes have a task waiting: asked of the file itself, at a hundredth of the cost of Flower's own pull."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=_WAIT_SECONDS
        )

    def has_task(self, node_id: int) -> bool:
        return self._has("SELECT 1 FROM message_ins WHERE dst_node_id = ? AND delivered_at = ''", _signed(node_id))

    def reply_to(self, task_id: str) -> str | None:
        """The id of the reply that was taken for this task; None where none was."""
        row = self._database.execute(
            "SELECT message_id FROM message_res WHERE reply_to_message_id = ?", (task_id,)
        ).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        self._database.close()

    def _has(self, query: str, *values: int | str) -> bool:
        return self._database.execute(f"{query} LIMIT 1", values).fetchone() is not None


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
    database.execute("PRAGMA foreign_keys = OFF")  # all sides of every reference go
    return database


def _set_aside(path: Path) -> None:
    aside = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    log.warning("%s is damaged: it is kept as %s and made anew; no device has to do anything", path.name, aside)
    with storage_errors(path):
        path.replace(path.with_name(aside))
        for part in ("-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)


def _signed(node_id: int) -> int:
    """As SQLite holds 64 bits."""
    return node_id - (1 << 64) if node_id >= 1 << 63 else node_id
