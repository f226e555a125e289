"""What one condition is: something that is read, and what the reading means for training."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psutil

Reading = TypeVar("Reading")


@dataclass(frozen=True)
class Condition(Generic[Reading]):
    """Holds training up at some readings.

    reads: what is read, in a student's words
    probe: reads it; None where this computer does not tell
    judge: why training has to wait at this reading, as what follows "waits: "; empty where it need not
    """

    reads: str
    probe: Callable[[], Reading | None]
    judge: Callable[[Reading], str]

    def read(self) -> Reading | None:
        """None where this computer does not tell, or the question fails."""
        try:
            return self.probe()
        except (OSError, ValueError, psutil.Error, subprocess.SubprocessError):
            return None
