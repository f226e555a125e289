"""A way from a terminal to the running program: a socket in the device's folder, open to its owner alone.

An answer goes from memory to memory. Nothing that holds one ever lies on the disk.
"""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from fl_client.labels.prober import Probe
from shared_models.errors import DataError, UsageError

_WAKE_SECONDS = 1.0
_HEARING_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
_LONGEST_LINE = 4096
_WAITING = TypeAdapter[Probe | None](Probe | None)
log = logging.getLogger(__name__)


class Questions(Protocol):
    def pending(self) -> Probe | None: ...
    def answer(self, probe_id: str, label: str) -> None: ...
    def skip(self, probe_id: str) -> None: ...


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
    do: Literal["pending", "answer", "skip"]
    probe: str = ""
    label: str = ""


class TerminalDoor:
    """Lets other programs of the same user read the open question and answer it, one at a time."""

    name = "terminal"

    def __init__(self, path: Path, questions: Questions) -> None:
        self._path, self._questions = path, questions

    def run(self, stop: Event) -> None:
        """Answers until `stop` is set. Returns at once, and says so in the log, where no such socket can be made."""
        try:
            with _listening(self._path) as listener:
                while not stop.is_set():
                    self._serve_one(listener)
        except OSError as error:
            log.warning("`fl-client probe` does not work here (%s); the page does", error.strerror or error)

    def _serve_one(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(_HEARING_SECONDS)
            try:
                line = connection.makefile("rb").readline(_LONGEST_LINE)
                connection.sendall(json.dumps(self._reply(line)).encode() + b"\n")
            except OSError:
                log.info("a program that asked for the open question went away")

    def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            request = _Request.model_validate_json(line)
            if request.do == "answer":
                self._questions.answer(request.probe, request.label)
            elif request.do == "skip":
                self._questions.skip(request.probe)
            else:
                waiting = self._questions.pending()
                return {"probe": waiting and waiting.facts}
        except ValidationError:
            return {"error": {"what": "The question was asked for in a way that is not understood"}}
        except DataError as error:
            return {"error": {"what": error.what, "why": error.why, "fix": error.fix}}
        return {}


class RunningProgram:
    """The questions of the program that runs, seen from another process of the same user."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pending(self) -> Probe | None:
        """Raises UsageError where no program runs."""
        return _WAITING.validate_python(self._ask(do="pending")["probe"])

    def answer(self, probe_id: str, label: str) -> None:
        """As `Prober.answer`; raises UsageError where no program runs."""
        self._ask(do="answer", probe=probe_id, label=label)

    def skip(self, probe_id: str) -> None:
        """As `Prober.skip`; raises UsageError where no program runs."""
        self._ask(do="skip", probe=probe_id)

    def _ask(self, **request: str) -> dict[str, Any]:
        try:
            with _local_socket() as connection:
                connection.settimeout(_PATIENCE_SECONDS)
                connection.connect(str(self._path))
                connection.sendall(json.dumps(request).encode() + b"\n")
                reply: dict[str, Any] = json.loads(connection.makefile("rb").readline())
        except (OSError, ValueError) as error:
            raise UsageError(
                "The program that asks cannot be reached", fix="Start it with `fl-client run`, or answer on its page"
            ) from error
        if "error" in reply:
            raise DataError(reply["error"].pop("what"), **reply["error"])
        return reply


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """A socket at `path`, which a program that was killed may have left there. Raises OSError where it cannot be."""
    path.unlink(missing_ok=True)
    with _local_socket() as listener:
        listener.bind(str(path))
        try:
            path.chmod(0o600)
            listener.listen(1)
            listener.settimeout(_WAKE_SECONDS)
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _local_socket() -> socket.socket:
    """One that lies in a folder. Raises OSError where the system has none, such as Windows."""
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise OSError("this system has no sockets in folders")
    return socket.socket(family)
