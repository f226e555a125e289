"""`fl-server backup`: a federation's folder in one file, beside a running server or without one."""

import datetime as dt
import importlib.metadata
from pathlib import Path

from fl_server.backup.archive import Manifest, write_archive
from fl_server.backup.collect import contents
from fl_server.backup.sealed import SealedWriter
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from shared_models.errors import UsageError
from shared_models.files import atomic_file


def back_up(folder: FederationFolder, file: Path, passphrase: str | None) -> Manifest:
    """Writes `file`, readable by its owner only, whole or not at all; sealed where a passphrase is given.

    Raises SettingsError where there is no federation, UsageError where `file` lies in it, BackupError where something
    cannot be read, StorageError where `file` cannot be written.
    """
    study = load_settings(folder.settings).study.id
    if folder.root.resolve() in file.resolve().parents:
        raise UsageError(f"{file} lies in the folder that is to be backed up", fix="Choose a place outside of it")
    about = study, dt.datetime.now(dt.UTC), f"Attune {importlib.metadata.version('attune')}"
    with atomic_file(file) as raw:
        if passphrase is None:
            return write_archive(raw, contents(folder), *about)
        sealed = SealedWriter(raw, passphrase)
        manifest = write_archive(sealed, contents(folder), *about)
        sealed.close()
        return manifest
