"""Files that are written whole or not at all, readable by their owner only."""

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from shared_models.errors import StorageError, UsageError

_SECONDS_TO_WAIT = 30.0


def atomic_write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write `data` to `path` so that a crash at any moment leaves the old content or the new, never a part.

    Raises StorageError where the disk is full or the folder cannot be written.
    """
    with atomic_file(path, mode) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write in one go, which takes the name `path` once the block has ended well; else as `atomic_write`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with storage_errors(path):
        try:
            with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    if os.name != "posix":  # Windows cannot open a folder, and writes its names through
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError about `path` into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        raise StorageError(
            f"{path} cannot be written",
            why=error.strerror or str(error),
            fix="Check that its folder exists and belongs to you",
        ) from error


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Holds the lock file `path` for as long as the block lasts; it is let go of even by a process that is killed.

    Raises UsageError, naming `what` runs already, where another process holds it.
    """
    try:
        lock = _locked(path, 0)
    except sqlite3.OperationalError as error:
        raise UsageError(f"{what} runs already", fix="Stop it first, or use another folder") from error
    with closing(lock):
        yield


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Holds the lock file `path` for as long as the short block lasts, once no other process or thread does.

    Raises StorageError where another one holds it for too long.
    """
    try:
        lock = _locked(path, _SECONDS_TO_WAIT)
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{path} cannot be locked", why=str(error), fix="Check that its folder belongs to you, and try again"
        ) from error
    with closing(lock):
        yield


def _locked(path: Path, seconds_to_wait: float) -> sqlite3.Connection:
    lock = sqlite3.connect(path, timeout=seconds_to_wait)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        raise
    return lock


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file `path` with `only_one`."""
    if not path.exists():
        return False
    try:
        with only_one(path, "this"):
            return False
    except UsageError:
        return True


def disk_full(path: Path) -> StorageError:
    """The error for a write to `path` that found no room."""
    return StorageError(
        f"{path} cannot be written",
        why="the disk is full",
        fix="Free some space and try again; what was stored before is still there",
    )


def append_line(path: Path, line: bytes, mode: int = 0o600) -> None:
    """Append `line` and a line end to `path`, behind its last whole line, and flush it to the disk.

    Raises StorageError where the disk is full; `path` is then as it was.
    """
    cut_off_half_line(path)
    with (
        storage_errors(path),
        open(path, "ab", 0, opener=lambda name, flags: os.open(name, flags, mode)) as file,
    ):
        size = os.fstat(file.fileno()).st_size
        try:
            if file.write(line + b"\n") != len(line) + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
            if size == 0:
                sync_folder(path.parent)
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise


def cut_off_half_line(path: Path) -> None:
    """Takes away a last line that has no end, as a power cut leaves it. Raises StorageError where that fails."""
    with storage_errors(path):
        if not path.exists() or path.stat().st_size == 0:
            return
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
