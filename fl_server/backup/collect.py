"""What goes into a backup, read beside a running server so that it fits together.

A file is read before what it points to, since what it points to only grows: the open round and the marks before the
checkpoints, whose records name the ledger's head; these, and ledgers that devices handed over, before the ledger, whose
entries name what devices signed; and this before the registry that the devices are in. A checkpoint takes its name
whole, and only a folder that held still while it was read is taken.

So in the copy the ledger reaches at least as far as the checkpoints. It may reach further by the round that was closing
meanwhile: for the next start that round was cut off, as by a kill, and its debits stand.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

from fl_server.folder import FederationFolder
from shared_models.errors import BackupError

_OPEN_ROUND, _CHECKPOINTS = "open-round", "checkpoints"
_LEFT_OUT = ("*.lock", "*.lock-*", "*.log", "*.log.*", "*.part", "*.db-*", "transport")
"""Logs and locks; unfinished files; what belongs to a running database; messages on their way."""
_TRIES = 20
_SQLITE = b"SQLite format 3\0"


def contents(folder: FederationFolder) -> Iterator[tuple[str, bytes]]:
    """Every file by its path in the folder, in the order in which it was read. Links are left out.

    Raises BackupError where a file cannot be read.
    """
    ordered = (folder.promoted, folder.rounds, folder.checkpoints, folder.device_ledgers, folder.ledger, folder.intents)
    first = [_OPEN_ROUND, *(path.name for path in ordered)]
    for name in first:
        yield from _of(folder.root / name, folder.root)
    for path in sorted(folder.root.iterdir()):
        if path.name not in first:
            yield from _of(path, folder.root)


def _of(path: Path, root: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_symlink() or any(fnmatch(path.name, pattern) for pattern in _LEFT_OUT):
        return
    name = path.relative_to(root).as_posix()
    if name == _OPEN_ROUND:
        yield from _named(path, _steady(path), root)
    elif name == _CHECKPOINTS:
        yield from _checkpoints(path, root)
    elif path.is_dir():
        for inner in sorted(path.iterdir()):
            yield from _of(inner, root)
    elif path.is_file():
        yield name, _content(path)


def _checkpoints(path: Path, root: Path) -> Iterator[tuple[str, bytes]]:
    """Those with a name, and a draft of which the name is still to come: its round may be in the ledger already.

    Drafts are read first. One that takes its name meanwhile is found under it; one without a record is not whole.
    Then it is looked until no new checkpoint is there: a server that closes a round may remove the weights of the one
    before it, so only the last one's are sure to be read.
    """
    drafts = {draft: _steady(draft) for draft in sorted(path.glob(".round-*.new"))}
    read: set[str] = set()
    while new := sorted(checkpoint for checkpoint in path.glob("round-*") if checkpoint.name not in read):
        for checkpoint in new:
            yield from _named(checkpoint, _steady(checkpoint), root)
            read.add(checkpoint.name)
    for draft, files in drafts.items():
        named = draft.name.removeprefix(".").removesuffix(".new")
        if named not in read and "checkpoint.json" in files:
            yield from _named(draft, files, root)


def _steady(folder: Path) -> dict[str, bytes]:
    """The files in `folder`, all of one moment; none where it is gone or never holds still."""
    for _ in range(_TRIES):
        try:
            before = _listing(folder)
            files = {name: (folder / name).read_bytes() for name in before}
            if _listing(folder) == before:
                return files
        except FileNotFoundError:  # it took another name, or weights were tidied up
            continue
        except OSError as error:
            raise _unreadable(folder, error) from error
    return {}


def _listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What changes with a file's content, by its path in `folder`."""
    facts = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            facts[path.relative_to(folder).as_posix()] = stat.st_ino, stat.st_size, stat.st_mtime_ns
    return facts


def _named(folder: Path, files: Mapping[str, bytes], root: Path) -> Iterator[tuple[str, bytes]]:
    for name, content in files.items():
        yield f"{folder.relative_to(root).as_posix()}/{name}", content


def _content(path: Path) -> bytes:
    """A file's bytes; of one that grows by lines, its complete lines; of a database, a consistent copy."""
    try:
        content = path.read_bytes()
        if content.startswith(_SQLITE):
            return _database(path)
    except (OSError, sqlite3.Error) as error:
        raise _unreadable(path, error) from error
    return content[: content.rfind(b"\n") + 1] if path.suffix == ".jsonl" else content


def _database(path: Path) -> bytes:
    source = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=30)
    copy = sqlite3.connect(":memory:")
    try:
        source.backup(copy)
        return copy.serialize()
    finally:
        source.close()
        copy.close()


def _unreadable(path: Path, error: Exception) -> BackupError:
    return BackupError(
        f"{path} cannot be read",
        why=getattr(error, "strerror", None) or str(error),
        fix="Check whom it belongs to; no backup was made",
    )
