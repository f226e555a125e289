"""Where a pretraining that was stopped goes on from: one file, replaced whole."""

import io
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from shared_models.errors import CheckpointError
from shared_models.files import atomic_file

SAVE_SECONDS = 120.0


class Stopped(Exception):
    """Pretraining was told to stop, and has written where it was."""


@dataclass
class Journal:
    """Writes the state of a run to `path`, every two minutes and when it is told to stop.

    run: hash of all that decides the outcome; a checkpoint of another run is never gone on with
    """

    path: Path
    run: str
    stopping: Callable[[], bool] = lambda: False
    spent: "Spent" = field(default_factory=lambda: Spent())
    _saved: float = field(default_factory=time.monotonic)

    def read(self) -> dict[str, Any] | None:
        """The state that was last written, None where there is none.

        Raises CheckpointError where it is damaged or another run's.
        """
        if not self.path.exists():
            return None
        try:
            kept = torch.load(self.path, weights_only=True)
            run, spent, state = kept["run"], Spent(*kept["spent"]), kept["state"]
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
            raise self._unusable("it is damaged") from error
        if run != self.run:
            raise self._unusable("it was made with other data, another model, recipe or seed")
        self.spent = spent
        return dict(state)

    def note(self, state: Callable[[], dict[str, Any]]) -> None:
        """Call it after each step: writes `state()` where it is time. Raises Stopped where the run shall stop."""
        stopping = self.stopping()
        if stopping or time.monotonic() - self._saved >= SAVE_SECONDS:
            self.write(state())
        if stopping:
            raise Stopped

    def write(self, state: dict[str, Any]) -> None:
        """Raises StorageError where the disk is full or the folder cannot be written."""
        content = io.BytesIO()
        torch.save({"run": self.run, "spent": self.spent.until_now(), "state": state}, content)
        with atomic_file(self.path) as file:
            file.write(content.getbuffer())
        self._saved = time.monotonic()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _unusable(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"Pretraining cannot go on from {self.path.name}",
            why=why,
            fix="Repeat the command that made it, or delete it to start over",
        )


@dataclass
class Spent:
    """Seconds that a run has taken in all its processes, by the clock and of the processor."""

    wall_before: float = 0.0
    cpu_before: float = 0.0
    _wall: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)

    def until_now(self) -> tuple[float, float]:
        """(wall, cpu)"""
        return (
            self.wall_before + time.monotonic() - self._wall,
            self.cpu_before + time.process_time() - self._cpu,
        )
