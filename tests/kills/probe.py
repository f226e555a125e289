"""Ends its own process by SIGKILL at a chosen commit point: an operation after which a disk remembers something.

A commit point has a name made of the operation and the file, with numbers and random parts taken out, such as
`fsync ledger.jsonl`. It is learned by watching, so that a new one in the product is found and killed at by itself.
"""

import json
import mmap
import os
import re
import secrets
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

Phase = Literal["before", "torn", "after"]
"""torn: before an fsync, and a random part of what was not yet flushed is lost as well, as in a power cut."""
_OPERATIONS = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "truncate", "ftruncate")
_RANDOM_PART = re.compile(r"[0-9a-f]{8,}")
_NUMBER = re.compile(r"\d+")
_PAGE = 4096


class Point(NamedTuple):
    phase: Phase
    name: str

    def __str__(self) -> str:
        return f"{self.phase} {self.name}"


class Doom:
    """Where a process is to die. In memory that a parent shares with the processes that it forks."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _PAGE)
        self.clear()

    def set(self, point: Point, passes: int) -> None:
        """At `point`, after passing it `passes` times."""
        self._write({"phase": point.phase, "name": point.name, "passes": passes})

    def clear(self) -> None:
        self._write({})

    @property
    def reached(self) -> bool:
        return bool(self._read().get("reached"))

    def falls(self, point: Point) -> bool:
        """Whether a process that is at `point` dies now."""
        facts = self._read()
        if facts.get("reached") or (facts.get("phase"), facts.get("name")) != point:
            return False
        self._write(facts | ({"passes": facts["passes"] - 1} if facts["passes"] else {"reached": True}))
        return not facts["passes"]

    def _read(self) -> dict[str, Any]:
        return json.loads(self._page[:].rstrip(b"\0") or b"{}")

    def _write(self, facts: dict[str, Any]) -> None:
        self._page[:] = json.dumps(facts).encode().ljust(_PAGE, b"\0")


class Probe:
    """Wraps the durable operations of this process below `root`. `seen` is called with each file that got its name."""

    def __init__(self, root: Path, trace: Path, doom: Doom, seen: Callable[[Path], None]) -> None:
        self._root, self._doom, self._seen = root, doom, seen
        self._trace = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self._flushed = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
        self._fsync, self._ftruncate = os.fsync, os.ftruncate

    def install(self) -> None:
        for name in _OPERATIONS:
            setattr(os, name, self._watched(name, getattr(os, name)))
        connect = sqlite3.connect  # Flower's database goes through another name of it, and is not ours to vouch for

        def watched_connect(database: Any, *args: Any, **options: Any) -> sqlite3.Connection:
            return connect(database, *args, **options, factory=self._connection_type(Path(database)))

        sqlite3.connect = watched_connect  # type: ignore[assignment]

    def _watched(self, operation: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            path = self._path(operation, args, options.get("dir_fd"))
            if not path.is_relative_to(self._root):
                return real(*args, **options)
            name = self._name(operation, path)
            self._pass(Point("before", name), path)
            if operation == "fsync" and path.is_file():
                self._pass(Point("torn", name), path)
                result = real(*args, **options)
                self._flushed[path] = path.stat().st_size
            else:
                result = real(*args, **options)
            if operation in ("replace", "rename"):
                self._seen(path)
            self._pass(Point("after", name), path)
            return result

        return watched

    def _connection_type(self, path: Path) -> type[sqlite3.Connection]:
        watch = self._watched("commit", sqlite3.Connection.execute)

        class Connection(sqlite3.Connection):
            database = path

            def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
                return (watch if statement == "COMMIT" else sqlite3.Connection.execute)(self, statement, *values)

        return Connection

    def _pass(self, point: Point, path: Path) -> None:
        with self._lock:
            os.write(self._trace, f"{point.phase}\t{point.name}\n".encode())
            if self._doom.falls(point):
                if point.phase == "torn":
                    self._tear(path)
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()

    def _tear(self, path: Path) -> None:
        safe, size = self._flushed.get(path, 0), path.stat().st_size
        with path.open("r+b") as file:
            self._ftruncate(file.fileno(), safe + secrets.randbelow(max(1, size - safe)))

    def _path(self, operation: str, args: tuple[Any, ...], folder: int | None) -> Path:
        """The file or folder that an operation is about; for a rename, its new name."""
        if operation == "commit":
            return Path(args[0].database)
        subject = args[1] if operation in ("replace", "rename") else args[0]
        path = _opened(subject) if isinstance(subject, int) else Path(os.fsdecode(subject))
        return path if folder is None else _opened(folder) / path

    def _name(self, operation: str, path: Path) -> str:
        shown = str(path.relative_to(self._root))
        return f"{operation} {_NUMBER.sub('N', _RANDOM_PART.sub('*', shown))}"


def _opened(descriptor: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))


def read_trace(path: Path) -> Counter[Point]:
    """How often each point was passed."""
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(Point(*line.split("\t")) for line in lines if line.count("\t") == 1)  # type: ignore[arg-type]
