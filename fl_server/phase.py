"""What the server is doing now: `state.json`, written at each change of state, read by whoever watches."""

import logging
import os
from collections.abc import Callable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from fl_server.folder import FederationFolder
from shared_models.errors import StorageError
from shared_models.files import atomic_write

State = Literal[
    "waiting", "sampling", "collecting", "aggregating", "evaluating", "checkpointed", "paused", "failed", "stopped"
]
log = logging.getLogger(__name__)


class Phase(BaseModel):
    """A state of the round machine, since when it lasts and when it ends at the latest. It names no device."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State
    round: NonNegativeInt
    since: float
    """Unix seconds."""
    deadline: float | None = None
    """Unix seconds; None where nothing ends the state but an event."""
    online: NonNegativeInt = 0
    asked: NonNegativeInt = 0
    accepted: NonNegativeInt = 0
    rejected: dict[str, int] = {}
    why: str = ""
    """One sentence on a pause, failure or stop. It holds no number of devices: pages show it to whoever looks."""
    pid: int

    def write(self, folder: FederationFolder) -> None:
        """Replaces the file. It is for watching only: where the disk is full the old one stays and the log says so."""
        try:
            atomic_write(folder.phase, self.model_dump_json().encode())
        except StorageError:
            log.warning("round %d: the state %s could not be written", self.round, self.state)

    @classmethod
    def read(cls, folder: FederationFolder) -> Self | None:
        """The last state written; None where there is none, or another version wrote it."""
        try:
            return cls.model_validate_json(folder.phase.read_bytes())
        except (OSError, ValidationError):
            return None

    @property
    def may_be_running(self) -> bool:
        """Whether there is a process with the number of the one that wrote it; the server's lock decides."""
        if os.name != "posix":  # elsewhere signal 0 is no mere question
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def sentence(self, count: Callable[[int], str] = str) -> str:
        """What is going on, in words; `count` writes a number of devices."""
        match self.state:
            case "waiting":
                return f"Round {self.round} waits for devices: {count(self.online)} online"
            case "sampling":
                return f"Round {self.round} draws from {count(self.online)} devices online"
            case "collecting":
                said = f"updates from {count(self.accepted)} of {count(self.asked)} devices"
                return f"Round {self.round} is collecting: {said} are in"
            case "aggregating":
                return f"Round {self.round} adds up updates from {count(self.accepted)} devices"
            case "evaluating":
                return f"Round {self.round} scores its new model"
            case "checkpointed":
                return f"Round {self.round} has its checkpoint"
            case "paused":
                return self._because(f"Round {self.round} is paused")
            case "failed":
                return self._because(f"Round {self.round} failed")
            case "stopped":
                return self._because(f"Stopped in round {self.round}")

    def _because(self, said: str) -> str:
        return f"{said}: {self.why.rstrip('.')}" if self.why else said


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = max(0, round(seconds))
    for size, large, small_size, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {large} {whole % size // small_size} {small}"
    return f"{whole} s"
