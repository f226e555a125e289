"""The index of the encrypted store: an SQLite file of ids, sizes and wrapped keys, nothing about a person."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared_models.errors import StorageError
from shared_models.files import disk_full, storage_errors

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sequences (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, key_wrapped BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS store_key (generation INTEGER NOT NULL, key_check BLOB);
INSERT INTO store_key SELECT 1, NULL WHERE NOT EXISTS (SELECT * FROM store_key);
"""
_SECONDS_TO_WAIT = 30.0  # for another process's write to end


@dataclass(frozen=True)
class StoreKey:
    """Which store key is in use, and a value sealed with it: None where that key is not made yet."""

    generation: int
    check: bytes | None


class StoreIndex:
    """The rows of one store; every method but `close` belongs inside `transaction`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._alone = threading.Lock()
        with storage_errors(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._errors():
            self._db = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
            try:
                self._db.execute("PRAGMA secure_delete = ON")
                # A key is destroyed right after the commit that retires it, so that commit must last.
                self._db.execute("PRAGMA synchronous = EXTRA")
                self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, with no other thread or process in between."""
        with self._alone, self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def store_key(self) -> StoreKey:
        return StoreKey(*self._db.execute("SELECT generation, key_check FROM store_key").fetchone())

    def set_store_key(self, key: StoreKey) -> None:
        self._db.execute("UPDATE store_key SET generation = ?, key_check = ?", (key.generation, key.check))

    def wrapped_keys(self) -> dict[str, bytes]:
        """The wrapped key of each sequence by its id, oldest first."""
        return dict(self._db.execute("SELECT id, key_wrapped FROM sequences ORDER BY number"))

    def totals(self) -> tuple[int, int]:
        """The number of sequences and their size in bytes."""
        row: tuple[int, int] = self._db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM sequences").fetchone()
        return row

    def insert(self, sequence_id: str, size: int, key_wrapped: bytes) -> None:
        self._db.execute(
            "INSERT INTO sequences (id, bytes, key_wrapped) VALUES (?, ?, ?)",
            (sequence_id, size, key_wrapped),
        )

    def rewrap(self, sequence_id: str, key_wrapped: bytes) -> None:
        self._db.execute("UPDATE sequences SET key_wrapped = ? WHERE id = ?", (key_wrapped, sequence_id))

    def remove(self, ids: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM sequences WHERE id = ?", [(sequence_id,) for sequence_id in ids])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise disk_full(self._path) from error
            raise StorageError(
                f"The store's index {self._path} cannot be used",
                why=str(error),
                fix=f"Close other programs that use it; if it is damaged, remove {self._path.parent}: "
                "what it holds cannot be recovered",
            ) from error
