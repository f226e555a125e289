"""Where a pretraining that was stopped goes on from: one file, replaced whole."""

import io
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from shared_models.errors import CheckpointError
from shared_models.files import atomic_file

SAVE_SECONDS = 120.0


class Stopped(KeyboardInterrupt):
    """Pretraining was told to stop, and has written where it was."""


class Journal:
    """Writes the state of a run to `path`, every two minutes and when it is told to stop."""

    def __init__(self, path: Path, run: str, stopping: Callable[[], bool] = lambda: False) -> None:
        """run: hash of all that decides the outcome; a checkpoint of another run is never gone on with"""
        self._path, self._run, self._stopping = path, run, stopping
        self._before = (0.0, 0.0)
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._saved = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state that was last written, None where there is none.

        Raises CheckpointError where it is damaged or another run's.
        """
        if not self._path.exists():
            return None
        try:
            kept = torch.load(self._path, weights_only=True)
            run, (wall, cpu), state = kept["run"], kept["spent"], dict(kept["state"])
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
            raise self._unusable("it is damaged") from error
        if run != self._run:
            raise self._unusable("it was made with other data, another model, recipe or seed")
        self._before = (wall, cpu)
        return state

    def note(self, state: Callable[[], dict[str, Any]]) -> None:
        """Call it after each step: writes `state()` where it is time. Raises Stopped where the run shall stop."""
        stopping = self._stopping()
        if stopping or time.monotonic() - self._saved >= SAVE_SECONDS:
            self.write(state())
        if stopping:
            raise Stopped

    def write(self, state: dict[str, Any]) -> None:
        """Raises StorageError where the disk is full or the folder cannot be written."""
        content = io.BytesIO()
        torch.save({"run": self._run, "spent": self.spent(), "state": state}, content)
        with atomic_file(self._path) as file:
            file.write(content.getbuffer())
        self._saved = time.monotonic()

    def spent(self) -> tuple[float, float]:
        """Seconds by the clock and of the processor that the run has taken in all its processes."""
        wall, cpu = self._before
        return wall + time.monotonic() - self._wall, cpu + time.process_time() - self._cpu

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _unusable(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"Pretraining cannot go on from {self._path.name}",
            why=why,
            fix="Repeat the command that made it, or delete it to start over",
        )
