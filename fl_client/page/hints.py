"""When a break is worth a hint. The hints are for the student only, and can be switched off."""

from pathlib import Path
from typing import Literal

from fl_client.page.timeline import Timeline
from shared_models.files import atomic_write

Hint = Literal["work", "low"]

WORK_SECONDS = 50 * 60.0
LOW_SECONDS = 10 * 60.0
LOW_SHARE = 0.6
QUIET_SECONDS = 30 * 60.0
_LOW_STATES = frozenset({"boredom", "frustration"})


class Hints:
    """After 50 minutes at work without a break of 5; or where, of ten minutes' readings, 6 in 10 are of boredom or
    frustration, as the likeliest state. After "not now" there is none for half an hour."""

    def __init__(self, timeline: Timeline, off: Path, offered: bool = True) -> None:
        """off: a file whose presence says that the student wants no hints; offered: false for none at all"""
        self.offered = offered
        self._timeline, self._off = timeline, off
        self._quiet_until = float("-inf")

    @property
    def are_on(self) -> bool:
        return self.offered and not self._off.exists()

    def turn(self, on: bool) -> None:
        """Raises StorageError where it cannot be kept."""
        if on:
            self._off.unlink(missing_ok=True)
        else:
            atomic_write(self._off, b"")

    def later(self, now: float) -> None:
        self._quiet_until = now + QUIET_SECONDS

    def due(self, now: float) -> Hint | None:
        if not self.are_on or now < self._quiet_until:
            return None
        worked = self._timeline.worked(now)
        if worked >= WORK_SECONDS:
            return "work"
        return "low" if worked >= LOW_SECONDS and self._is_low(now) else None

    def _is_low(self, now: float) -> bool:
        read = [s.shares for s in self._timeline.since(now - LOW_SECONDS) if s.shares is not None]
        low = sum(max(shares, key=shares.__getitem__) in _LOW_STATES for shares in read)
        return bool(read) and low >= LOW_SHARE * len(read)
