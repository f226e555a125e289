"""Clocks: one that nobody sets, and what happened to the other one meanwhile."""

import sys
import time
from collections.abc import Callable

_GAP_SECONDS = 30.0
_SET_SECONDS = 5.0


def steady() -> float:
    """Seconds since some moment, on a clock that nobody sets and that goes on while the computer sleeps.

    `time.monotonic` does so on Windows alone.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.clock_gettime(time.CLOCK_MONOTONIC) if sys.platform == "darwin" else time.monotonic()


class ClockWatch:
    """Looked at about once a second: tells when this program stood still, and when the computer's clock was set."""

    def __init__(self, steady: Callable[[], float] = steady, wall: Callable[[], float] = time.time) -> None:
        self._steady, self._wall = steady, wall
        self._last = steady(), wall()

    def look(self) -> list[str]:
        """Sentences on what happened since the last look."""
        before, self._last = self._last, (self._steady(), self._wall())
        passed, shown = (now - then for now, then in zip(self._last, before, strict=True))
        said = []
        if passed > _GAP_SECONDS:
            said.append(f"This program stood still for {passed:.0f} seconds: the computer slept, or was very busy")
        if abs(shown - passed) > _SET_SECONDS:
            said.append(
                f"The computer's clock was set {'forward' if shown > passed else 'back'} by"
                f" {abs(shown - passed):.0f} seconds"
            )
        return said
