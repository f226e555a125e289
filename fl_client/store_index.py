"""The index of the encrypted store: an SQLite file of ids, sizes, days and wrapped keys, nothing about a person."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fl_client.store_clock import StoreClock
from shared_models.errors import StorageError
from shared_models.files import disk_full, storage_errors

VERSION = 1
_SCHEMA = """
CREATE TABLE sequences (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, day INTEGER NOT NULL,
    key_wrapped BLOB NOT NULL
);
CREATE TABLE store_key (generation INTEGER NOT NULL, key_check BLOB);
INSERT INTO store_key VALUES (1, NULL);
CREATE TABLE clock (day INTEGER NOT NULL, hour INTEGER NOT NULL);
"""
_SECONDS_TO_WAIT = 30.0  # for another process's write to end
_ERASE = "remove what is left of the store with 'fl-client data delete --all', and begin anew"


class UnusableIndexError(StorageError):
    """The index is damaged or of another version: nothing in the store can be opened by this program."""


@dataclass(frozen=True)
class StoreKey:
    """Which store key is in use, and a value sealed with it: None where that key is not made yet."""

    generation: int
    check: bytes | None


class StoreIndex:
    """The rows of one store; every method but `close` belongs inside `transaction`."""

    def __init__(self, path: Path, may_be_new: bool) -> None:
        """may_be_new: whether there is nothing yet that an index could have been lost of

        Raises UnusableIndexError, and StorageError where the file cannot be written or is locked.
        """
        self._path = path
        self._alone = threading.Lock()
        with storage_errors(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._errors():
            self._db = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
        try:
            with self._errors():
                self._db.execute("PRAGMA secure_delete = ON")
                # A key is destroyed right after the commit that retires it, so that commit must last.
                self._db.execute("PRAGMA synchronous = EXTRA")
            with self.transaction():
                self._check(may_be_new)
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

    def clock(self) -> StoreClock | None:
        """The store's clock; None before it was first set."""
        row = self._db.execute("SELECT day, hour FROM clock").fetchone()
        return None if row is None else StoreClock(*row)

    def set_clock(self, clock: StoreClock) -> None:
        self._db.execute("DELETE FROM clock")
        self._db.execute("INSERT INTO clock VALUES (?, ?)", clock)

    def wrapped_keys(self) -> dict[str, bytes]:
        """The wrapped key of each sequence by its id, oldest first."""
        return dict(self._db.execute("SELECT id, key_wrapped FROM sequences ORDER BY number"))

    def wrapped_key(self, sequence_id: str) -> bytes | None:
        """The wrapped key of one sequence; None where there is no such row."""
        row = self._db.execute("SELECT key_wrapped FROM sequences WHERE id = ?", (sequence_id,)).fetchone()
        return None if row is None else row[0]

    def totals(self) -> tuple[int, int]:
        """The number of sequences and their size in bytes."""
        row: tuple[int, int] = self._db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM sequences").fetchone()
        return row

    def of_before(self, day: int) -> list[str]:
        """The sequences of days before `day`, oldest first."""
        rows = self._db.execute("SELECT id FROM sequences WHERE day < ? ORDER BY number", (day,))
        return [sequence_id for (sequence_id,) in rows]

    def insert(self, sequence_id: str, size: int, day: int, key_wrapped: bytes) -> None:
        self._db.execute(
            "INSERT INTO sequences (id, bytes, day, key_wrapped) VALUES (?, ?, ?, ?)",
            (sequence_id, size, day, key_wrapped),
        )

    def rewrap(self, sequence_id: str, key_wrapped: bytes) -> None:
        self._db.execute("UPDATE sequences SET key_wrapped = ? WHERE id = ?", (key_wrapped, sequence_id))

    def redate(self, after: int, to: int) -> None:
        """Gives the sequences of days after `after` the day `to`."""
        self._db.execute("UPDATE sequences SET day = ? WHERE day > ?", (to, after))

    def remove(self, ids: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM sequences WHERE id = ?", [(sequence_id,) for sequence_id in ids])

    def _check(self, may_be_new: bool) -> None:
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        [tables] = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version > VERSION:
            raise UnusableIndexError(
                "The stored data was written by a newer version of Attune",
                why=f"its index has version {version}, and this program knows version {VERSION}",
                fix=f"Update Attune, or {_ERASE}",
            )
        if tables == 0 and may_be_new:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        elif version < VERSION:
            raise self._damaged("it is empty or of no known version")
        elif (found := self._db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._damaged(found)

    def _damaged(self, why: str) -> UnusableIndexError:
        return UnusableIndexError(
            f"The store's index {self._path} is damaged",
            why=why,
            fix=f"Put back the newest copy of it, if nothing was deleted since, or {_ERASE}",
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code == sqlite3.SQLITE_FULL:
                raise disk_full(self._path) from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise self._damaged(str(error)) from error
            raise StorageError(
                f"The store's index {self._path} cannot be used",
                why=str(error),
                fix="Close other programs that use it, and check that it belongs to you",
            ) from error
