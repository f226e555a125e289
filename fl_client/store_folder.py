"""The folder of a store, and what can be done with it without its key: count, tidy up, and erase everything."""

from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from fl_client.keys import KeyVault
from fl_client.store_index import StoreIndex, UnusableIndexError
from fl_client.store_keys import destroy_all, destroy_former, retire
from shared_models.errors import StorageError
from shared_models.files import storage_errors

FEATURES = ".features"
_INDEX = "index.sqlite"


def sessions_of(folder: Path) -> Path:
    """Where the sealed files lie, one for each sequence, and one more for its features."""
    return folder / "sessions"


def open_index(folder: Path) -> StoreIndex:
    """The index of the store under `folder`, a new one where there is nothing yet.

    Raises UnusableIndexError where it is damaged, lost or of another version, StorageError where it cannot be written.
    """
    sessions = sessions_of(folder)
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sessions.mkdir(mode=0o700, exist_ok=True)
        empty = not any(sessions.iterdir())
    return StoreIndex(folder / _INDEX, may_be_new=empty)


def count_stored(folder: Path) -> int:
    """The number of sequences under `folder`; 0 where there is no store yet."""
    if not folder.is_dir():
        return 0
    with closing(open_index(folder)) as index, index.transaction():
        return index.totals()[0]


def let_go_of_all(index: StoreIndex) -> None:
    """Lets the index forget every sequence and the key."""
    with index.transaction():
        index.remove(index.wrapped_keys())
        retire(index)


def tidy_up(index: StoreIndex, folder: Path, vault: KeyVault) -> None:
    """Removes what the index has let go of: first files without a row, then the former store key."""
    with index.transaction():
        known = index.wrapped_keys()
        with storage_errors(folder):
            for file in sessions_of(folder).iterdir():
                if file.name.removesuffix(FEATURES) not in known and not file.is_dir():
                    file.unlink()
        destroy_former(index, vault)


def erase_store(folder: Path, vault: KeyVault) -> None:
    """Delete every sequence, so that no copy can be opened either; also on a damaged index and on a full disk.

    Raises KeyStoreError where the vault does not answer; the files are gone by then, and this can be called again.
    """
    try:
        index = open_index(folder)
    except UnusableIndexError:
        _unlink(sessions_of(folder).iterdir())
        _unlink(folder.glob(f"{_INDEX}*"))
        destroy_all(vault)
        return
    with closing(index):
        try:
            let_go_of_all(index)
        except StorageError:  # such as a full disk, on which the files make room
            _unlink(sessions_of(folder).iterdir())
            let_go_of_all(index)
        tidy_up(index, folder, vault)


def _unlink(files: Iterable[Path]) -> None:
    for file in files:
        with storage_errors(file), suppress(FileNotFoundError):
            file.unlink()
