"""The encrypted store of a device's labelled sequences.

Each sequence, with its label and time, is one file sealed with a key of its own. The index keeps that key,
wrapped under the store's key, which lies in the key vault. Deleting wraps the keys of the survivors under a
new store key and destroys the old one, so that copies of what was deleted, index and all, stay closed.
"""

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from cryptography.exceptions import InvalidTag

from fl_client.feature_shelf import FeatureShelf
from fl_client.keys import KeyVault
from fl_client.store_clock import day_of, first_clock, moved_on
from fl_client.store_folder import FEATURES, let_go_of_all, open_index, sessions_of, tidy_up
from fl_client.store_keys import StoreKeys
from fl_client.stored_sequence import Damaged, StoredSequence, open_sequence, seal_sequence
from shared_models.errors import DataError, StorageError
from shared_models.files import atomic_write
from shared_models.sealing import new_key, seal, unseal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quota:
    """The most that a store takes; damaged sequences count too, until they are deleted."""

    sequences: int
    bytes: int


class StoreFullError(StorageError):
    """The quota is reached; nothing that is stored was touched."""


class Swept(NamedTuple):
    """What a sweep did: how many sequences were too old, and by how many days the computer's clock is ahead of the
    store's."""

    deleted: int
    days_ahead: int


class Store:
    """The sequences under `folder`; threads may share one Store, processes may each open their own.

    Opening removes what a crash left half written. Raises KeyStoreError where `vault` does not hold the
    store's key, UnusableIndexError where the index is damaged or of another version, StorageError where the folder
    or the index cannot be used.
    """

    def __init__(self, folder: Path, vault: KeyVault, quota: Quota | None = None) -> None:
        self._folder, self._vault, self._quota = folder, vault, quota
        self._index = open_index(folder)
        self._keys = StoreKeys(self._index, vault)
        self._told: set[str] = set()
        try:
            with self._index.transaction():
                self._keys.current()
            tidy_up(self._index, self._folder, self._vault)
        except BaseException:
            self._index.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._index.close()

    def add(self, frames: np.ndarray, label_index: int, label: str, source: str, captured_at: datetime) -> str:
        """Keep one sequence, frames (T, 1, H, W) uint8, and return its new id.

        Raises StoreFullError at the quota and StorageError where the disk is full; what was stored before is not
        touched.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1] != 1:
            raise DataError("A sequence must be uint8 of shape (T, 1, H, W)", why=f"got {frames.dtype} {frames.shape}")
        sequence = StoredSequence(secrets.token_hex(16), frames, label_index, label, source, captured_at)
        key = new_key()
        sealed = seal_sequence(sequence, key)
        path = self._path(sequence.id)
        try:
            # The file is written inside the transaction, or another process could take it for an orphan.
            with self._index.transaction():
                self._require_room(len(sealed))
                wrapped = seal(self._keys.current(), key, _row_name(sequence.id))
                atomic_write(path, sealed)
                self._index.insert(sequence.id, len(sealed), self._today(), wrapped)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return sequence.id

    def each(self) -> Iterator[StoredSequence | Damaged]:
        """Every sequence, oldest first, opened one at a time; those that cannot be opened with the reason."""
        with self._index.transaction():
            store_key, rows = self._keys.current(), self._index.wrapped_keys()
        for sequence_id, wrapped in rows.items():
            found = self._open(sequence_id, wrapped, store_key)
            if isinstance(found, StoredSequence) or sequence_id in self:  # else deleted since the rows were read
                yield found

    def load_all(self) -> Iterator[StoredSequence]:
        """Every sequence that can be opened, oldest first, opened one at a time; the log says which are left out."""
        for found in self.each():
            if isinstance(found, StoredSequence):
                yield found
            elif found.id not in self._told:
                self._told.add(found.id)
                log.warning("the stored sequence %s is left out: %s", found.id, found.why)

    @property
    def shelf(self) -> FeatureShelf:
        """Features of the stored sequences, sealed with their keys and deleted with them."""
        return FeatureShelf(lambda name: self._path(name).with_suffix(FEATURES), self._held)

    def __contains__(self, sequence_id: str) -> bool:
        with self._index.transaction():
            return self._index.wrapped_key(sequence_id) is not None

    def __len__(self) -> int:
        with self._index.transaction():
            return self._index.totals()[0]

    @property
    def size(self) -> int:
        """Bytes on disk of all sequences."""
        with self._index.transaction():
            return self._index.totals()[1]

    def delete(self, ids: Iterable[str]) -> None:
        """Delete the sequences called `ids` so that no copy of their files can be opened either."""
        with self._index.transaction():
            self._index.remove(ids)
            before, rows = self._keys.current(), self._index.wrapped_keys()
            after = self._keys.renew()
            for sequence_id, wrapped in rows.items():
                key = _unwrapped(sequence_id, before, wrapped)
                if key is not None:  # else it is damaged and stays so, closed under a key that is gone
                    self._index.rewrap(sequence_id, seal(after, key, _row_name(sequence_id)))
        tidy_up(self._index, self._folder, self._vault)

    def delete_all(self) -> None:
        """Delete every sequence so that no copy of their files can be opened either."""
        let_go_of_all(self._index)
        tidy_up(self._index, self._folder, self._vault)

    def sweep(self, keep_days: int, now: datetime) -> Swept:
        """Delete the sequences that were kept for more than `keep_days` days, by the store's own clock.

        A sequence from the future of both clocks was stored while the computer's was wrong, and counts from today.
        """
        with self._index.transaction():
            clock = moved_on(self._index.clock() or first_clock(now), now)
            self._index.set_clock(clock)
            self._index.redate(after=max(clock.day, day_of(now)), to=clock.day)
            old = self._index.of_before(clock.day - keep_days)
        if old:
            self.delete(old)
        return Swept(len(old), max(0, day_of(now) - clock.day))

    def _open(self, sequence_id: str, wrapped: bytes, store_key: bytes) -> StoredSequence | Damaged:
        key = _unwrapped(sequence_id, store_key, wrapped)
        if key is None:
            return Damaged(sequence_id, "its key in the index was changed")
        try:
            sealed = self._path(sequence_id).read_bytes()
        except FileNotFoundError:
            return Damaged(sequence_id, "its file is missing")
        except OSError as error:
            return Damaged(sequence_id, error.strerror or "its file cannot be read")
        return open_sequence(sequence_id, sealed, key)

    def _require_room(self, size: int) -> None:
        count, held = self._index.totals()
        if self._quota and (count >= self._quota.sequences or held + size > self._quota.bytes):
            raise StoreFullError(
                "The store is full",
                why=f"it holds {count} sequences of at most {self._quota.sequences}, and {held} bytes of at most"
                f" {self._quota.bytes}",
                fix="Nothing was deleted to make room; delete some with 'fl-client data delete'",
            )

    def _today(self) -> int:
        """The day a sequence of now belongs to: a computer's clock that fell behind makes nothing old."""
        now = datetime.now(UTC)
        clock = self._index.clock()
        if clock is None:
            self._index.set_clock(clock := first_clock(now))
        return max(day_of(now), clock.day)

    @contextmanager
    def _held(self, sequence_id: str) -> Iterator[bytes | None]:
        """The key of one sequence, None where it is not there; nobody deletes it meanwhile."""
        with self._index.transaction():
            wrapped = self._index.wrapped_key(sequence_id)
            yield None if wrapped is None else _unwrapped(sequence_id, self._keys.current(), wrapped)

    def _path(self, sequence_id: str) -> Path:
        return sessions_of(self._folder) / sequence_id


def _row_name(sequence_id: str) -> bytes:
    return b"attune row " + sequence_id.encode()


def _unwrapped(sequence_id: str, store_key: bytes, wrapped: bytes) -> bytes | None:
    """The key of a sequence; None where its row was changed."""
    try:
        return unseal(store_key, wrapped, _row_name(sequence_id))
    except InvalidTag:
        return None
