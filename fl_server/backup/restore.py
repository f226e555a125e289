"""`fl-server restore`: a federation's folder from a backup, in place at once or not at all.

A backup is older than what happened after it. Budgets lie on the devices, so nothing is refunded; but the numbers of
later rounds are lost, and a device refuses a task of a round older than one that it has answered. So the ledger of a
restored federation always gets an entry that says where it goes on: an auditor sees that rounds may be missing before
it, and an operator who knows how far the lost server came lets the numbers count on from there.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fl_server.backup.archive import Archive, Manifest
from fl_server.backup.sealed import is_sealed, unseal_file
from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from fl_server.verify.lineage import Lineage
from shared_models.errors import BackupError, KeyStoreError, SettingsError, UsageError
from shared_models.files import storage_errors, sync_folder
from shared_models.privacy.events import ModelRestored
from shared_models.privacy.ledger import Ledger


@dataclass(frozen=True)
class Restored:
    """`event` is the entry in the ledger; None where the federation had not begun."""

    manifest: Manifest
    event: ModelRestored | None


def restore(file: Path, root: Path, passphrase: str | None, next_round: int | None) -> Restored:
    """Puts what `back_up` wrote to `file` into the new folder `root`.

    next_round: number of the next round, where it is known that rounds after the backup were run

    Raises SettingsError where `root` is not empty, KeyStoreError where the passphrase is missing or wrong, BackupError
    where `file` is damaged, foreign or newer, UsageError where `next_round` is a number in use, LedgerError where the
    ledger does not hold, StorageError where the disk is full. Nothing is left behind then.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SettingsError(f"{root} is not an empty folder", fix="Choose a folder that does not exist yet")
    with _beside(root) as workplace, _plain(file, workplace, passphrase) as archive:
        folder = FederationFolder(workplace / "federation")
        folder.create()
        for name in archive.manifest.files:
            _write(folder.root / name, archive.chunks(name))
        event = _say_where_it_goes_on(folder, next_round)
        with storage_errors(root):
            if root.exists():
                root.rmdir()
            os.rename(folder.root, root)
            sync_folder(root.parent)
        return Restored(archive.manifest, event)


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """A private folder on the same disk, removed at the end."""
    workplace = root.with_name(f".{root.name}.{secrets.token_hex(4)}.restore")
    with storage_errors(root):
        workplace.mkdir(mode=0o700)
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


@contextmanager
def _plain(file: Path, workplace: Path, passphrase: str | None) -> Iterator[Archive]:
    """The archive in `file`, opened with the passphrase where it is sealed."""
    try:
        sealed = is_sealed(file)
    except OSError as error:
        raise BackupError(f"{file} cannot be read", why=error.strerror or str(error)) from error
    path = file
    if sealed:
        if passphrase is None:
            raise KeyStoreError(
                f"{file} is sealed with a passphrase", fix="Name a file that holds it with --passphrase-file"
            )
        path = workplace / file.name
        with storage_errors(path), open(path, "xb", opener=_private) as plain:
            unseal_file(file, plain, passphrase)
    with closing(Archive(path)) as archive:
        yield archive


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    with storage_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "xb", opener=_private) as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())


def _say_where_it_goes_on(folder: FederationFolder, next_round: int | None) -> ModelRestored | None:
    study = load_settings(folder.settings).study.id
    ledger, checkpoints = Ledger(folder.ledger, load_signing_key(folder)), Checkpoints(folder.checkpoints)
    line = Lineage(ledger.entries)
    if line.model is None and not checkpoints.rounds():
        if next_round is not None:
            raise UsageError("The federation in this backup has not begun", fix="Leave out --next-round")
        return None
    if next_round is not None and next_round < line.next_round:
        raise UsageError(
            f"Round {next_round} cannot be the next one",
            why=f"rounds up to {line.next_round - 1} are in the backup",
            fix=f"Give a number from {line.next_round} on, or leave out --next-round",
        )
    event = ModelRestored(
        study=study,
        round=(next_round or line.next_round) - 1,
        to_round=line.current,
        model_hash=line.model or checkpoints.record(line.current).model_hash,
    )
    ledger.append(event)
    return event


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
