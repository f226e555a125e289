"""Erasing a whole store: what always works, without a passphrase, on a damaged index and on a full disk."""

from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from fl_client.keys import KeyVault
from fl_client.store import bury, let_go_of_all, open_index
from fl_client.store_index import UnusableIndexError
from fl_client.store_keys import destroy_all
from shared_models.errors import StorageError
from shared_models.files import storage_errors


def erase_store(folder: Path, vault: KeyVault) -> None:
    """Delete every sequence under `folder` without opening it, so that no copy can be opened either.

    Raises KeyStoreError where the vault does not answer; the files are gone by then, and this can be called again.
    """
    sessions = folder / "sessions"
    try:
        index = open_index(folder)
    except UnusableIndexError:
        _unlink(sessions.iterdir())
        _unlink(folder.glob("index.sqlite*"))
        destroy_all(vault)
        return
    with closing(index):
        try:
            let_go_of_all(index)
        except StorageError:  # such as a full disk, on which the files make room
            _unlink(sessions.iterdir())
            let_go_of_all(index)
        bury(index, sessions, vault)


def _unlink(files: Iterable[Path]) -> None:
    for file in files:
        with storage_errors(file), suppress(FileNotFoundError):
            file.unlink()
