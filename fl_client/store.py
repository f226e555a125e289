"""The encrypted store of a device's labelled sequences.

Each sequence, with its label and time, is one file sealed with a key of its own. The index keeps that key,
wrapped under the store's key, which lies in the key vault. Deleting wraps the keys of the survivors under a
new store key and destroys the old one, so that copies of what was deleted, index and all, stay closed.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from cryptography.exceptions import InvalidTag

from fl_client.feature_shelf import FeatureShelf
from fl_client.keys import KeyVault
from fl_client.store_index import StoreIndex, StoreKey
from fl_client.stored_sequence import StoredSequence, damaged, open_sequence, seal_sequence
from shared_models.errors import DataError, KeyStoreError
from shared_models.files import atomic_write, storage_errors
from shared_models.sealing import new_key, seal, unseal

_CHECK = b"attune store check"
_FEATURES = ".features"


class Store:
    """The sequences under `folder`; threads may share one Store, processes may each open their own.

    Opening removes what a crash left half written. Raises KeyStoreError where `keys` does not hold the
    store's key, StorageError where the folder or the index cannot be used.
    """

    def __init__(self, folder: Path, keys: KeyVault) -> None:
        self._sessions, self._keys = folder / "sessions", keys
        self._index = _open_index(folder)
        self._current, self._key = StoreKey(0, None), b""
        try:
            with self._index.transaction():
                self._store_key()
                self._keys.destroy(_key_name(self._current.generation - 1))
                _remove_orphans(self._index, self._sessions)
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

        Raises StorageError where the disk is full; what was stored before is not touched.
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
                wrapped = seal(self._store_key(), key, _row_name(sequence.id))
                atomic_write(path, sealed)
                self._index.insert(sequence.id, len(sealed), wrapped)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return sequence.id

    def load_all(self) -> Iterator[StoredSequence]:
        """Every sequence, oldest first, opened one at a time.

        Raises StorageError at a sequence whose file is damaged.
        """
        with self._index.transaction():
            keys = self._sequence_keys()
        for sequence_id, key in keys.items():
            try:
                sealed = self._path(sequence_id).read_bytes()
            except FileNotFoundError:  # deleted since the keys were read
                continue
            yield open_sequence(sequence_id, sealed, key)

    @property
    def shelf(self) -> FeatureShelf:
        """Features of the stored sequences, sealed with their keys and deleted with them."""
        return FeatureShelf(lambda name: self._path(name).with_suffix(_FEATURES), self._sequence_key)

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
        doomed = set(ids)
        with self._index.transaction():
            survivors = self._sequence_keys(without=doomed)
            former = self._current.generation
            self._index.remove(doomed)
            self._new_store_key(former + 1)
            for sequence_id, key in survivors.items():
                self._index.rewrap(sequence_id, seal(self._key, key, _row_name(sequence_id)))
        _bury(self._index, self._keys, self._sessions, former)

    def delete_all(self) -> None:
        """Delete every sequence so that no copy of their files can be opened either."""
        _erase(self._index, self._keys, self._sessions)

    def _path(self, sequence_id: str) -> Path:
        return self._sessions / sequence_id

    def _store_key(self) -> bytes:
        """The store's key; another process may have changed it since the last time."""
        current = self._index.store_key()
        if current.check is None:
            self._new_store_key(current.generation)
        elif current != self._current:
            key = self._keys.key(_key_name(current.generation))
            try:
                unseal(key, current.check, _CHECK)
            except InvalidTag as error:
                raise KeyStoreError(
                    "The stored data cannot be opened",
                    why="the key in the key store is not the one it was sealed with",
                    fix="Restore the key store from the same backup, or delete the stored data",
                ) from error
            self._current, self._key = current, key
        return self._key

    def _new_store_key(self, generation: int) -> None:
        self._key = self._keys.create(_key_name(generation))
        self._current = StoreKey(generation, seal(self._key, b"", _CHECK))
        self._index.set_store_key(self._current)

    def _sequence_key(self, sequence_id: str) -> bytes | None:
        with self._index.transaction():
            return self._sequence_keys().get(sequence_id)

    def _sequence_keys(self, without: Collection[str] = ()) -> dict[str, bytes]:
        key = self._store_key()
        return {
            sequence_id: _unwrap(sequence_id, key, wrapped)
            for sequence_id, wrapped in self._index.wrapped_keys().items()
            if sequence_id not in without
        }


def erase_store(folder: Path, keys: KeyVault) -> None:
    """Delete every sequence under `folder` without opening it: no passphrase is needed."""
    index = _open_index(folder)
    try:
        _erase(index, keys, folder / "sessions")
    finally:
        index.close()


def count_stored(folder: Path) -> int:
    """The number of sequences under `folder`, without opening them; 0 where there is no store yet."""
    if not folder.is_dir():
        return 0
    index = _open_index(folder)
    try:
        with index.transaction():
            return index.totals()[0]
    finally:
        index.close()


def _open_index(folder: Path) -> StoreIndex:
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "sessions").mkdir(mode=0o700, exist_ok=True)
    return StoreIndex(folder / "index.sqlite")


def _erase(index: StoreIndex, keys: KeyVault, sessions: Path) -> None:
    with index.transaction():
        former = index.store_key().generation
        index.remove(index.wrapped_keys())
        index.set_store_key(StoreKey(former + 1, None))
    _bury(index, keys, sessions, former)


def _bury(index: StoreIndex, keys: KeyVault, sessions: Path, former: int) -> None:
    """Once the index has let go of them: destroy the former store key, and the files without a row."""
    with index.transaction():
        keys.destroy(_key_name(former))
        _remove_orphans(index, sessions)


def _remove_orphans(index: StoreIndex, sessions: Path) -> None:
    """Remove files without a row and rows without a file."""
    known = set(index.wrapped_keys())
    with storage_errors(sessions):
        files = {file.name for file in sessions.iterdir()}
        for name in files:
            if name.removesuffix(_FEATURES) not in known:
                (sessions / name).unlink()
    index.remove(known - files)


def _key_name(generation: int) -> str:
    return f"store-{generation}"


def _row_name(sequence_id: str) -> bytes:
    return b"attune row " + sequence_id.encode()


def _unwrap(sequence_id: str, store_key: bytes, wrapped: bytes) -> bytes:
    try:
        return unseal(store_key, wrapped, _row_name(sequence_id))
    except InvalidTag as error:
        raise damaged(sequence_id) from error
