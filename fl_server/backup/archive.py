"""The backup's form: an uncompressed zip archive with a manifest that names every file by its size and SHA-256."""

import hashlib
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared_models.errors import BackupError

VERSION = 1
_MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 1 << 26
_CHUNK = 1 << 20
_UNREADABLE = (zipfile.BadZipFile, struct.error, OSError, EOFError, KeyError, ValueError, RuntimeError)
"""What zipfile raises for damaged bytes, and pydantic for a manifest that is none."""


class Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class FileFacts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    sha256: str


class Manifest(BaseModel):
    """The last file of the archive. What a later version adds, this one does not know, and says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    study: str
    made_at: AwareDatetime
    made_by: str
    files: dict[str, FileFacts]


def write_archive(
    file: Writable, contents: Iterable[tuple[str, bytes]], study: str, made_at: AwareDatetime, made_by: str
) -> Manifest:
    """Writes `contents`, then what it wrote, to `file`."""
    files: dict[str, FileFacts] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents:
            archive.writestr(name, content)
            files[name] = FileFacts(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        manifest = Manifest(version=VERSION, study=study, made_at=made_at, made_by=made_by, files=files)
        archive.writestr(_MANIFEST, manifest.model_dump_json())
    return manifest


class Archive:
    """An archive whose manifest fits its list of files. The files' own bytes are checked as they are read."""

    def __init__(self, path: Path) -> None:
        """Raises BackupError where `path` is not what `write_archive` wrote, or is of a newer version."""
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
            self.manifest = self._read_manifest()
        except _UNREADABLE as error:
            raise damaged(path) from error
        entries = [entry for entry in self._archive.infolist() if entry.filename != _MANIFEST]
        sizes = {entry.filename: entry.file_size for entry in entries}
        if (
            len(sizes) != len(self._archive.infolist()) - 1
            or sizes != {name: facts.size for name, facts in self.manifest.files.items()}
            or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
            or not all(map(_stays_inside, sizes))
        ):
            raise damaged(path)

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of one file; raises BackupError, at the end, where they are not those that the manifest names."""
        digest = hashlib.sha256()
        try:
            with self._archive.open(name) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    yield chunk
        except _UNREADABLE as error:
            raise damaged(self._path) from error
        if digest.hexdigest() != self.manifest.files[name].sha256:
            raise damaged(self._path)

    def close(self) -> None:
        self._archive.close()

    def _read_manifest(self) -> Manifest:
        entry = self._archive.getinfo(_MANIFEST)
        if entry.file_size > _LARGEST_MANIFEST or entry.compress_type != zipfile.ZIP_STORED:
            raise damaged(self._path)
        text = self._archive.read(entry)
        check_version(text, self._path)
        return Manifest.model_validate_json(text)


class _AnyVersion(BaseModel):
    version: int


def check_version(text: str | bytes, path: Path) -> None:
    """Raises BackupError where the JSON `text` of `path` says that a newer program wrote it."""
    if _AnyVersion.model_validate_json(text).version > VERSION:
        raise BackupError(
            f"The backup {path} was written by a newer version of Attune", fix="Update Attune, then restore it"
        )


def damaged(path: Path) -> BackupError:
    return BackupError(
        f"{path} is not a whole backup",
        why="it is damaged, cut short or another kind of file",
        fix="Take another copy of it; nothing was restored",
    )


def _stays_inside(name: str) -> bool:
    """Whether `name` is a plain path below the folder that it is restored to."""
    plain = PurePosixPath(name)
    return (
        plain.as_posix() == name and not plain.is_absolute() and not {"..", "."} & set(plain.parts) and "\\" not in name
    )
