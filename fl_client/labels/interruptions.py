"""Time that passed while nobody was there: a computer that slept, or a clock that was set."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

_LARGEST_STEP = 10.0  # seconds; the prober looks at the clock every second


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never go back; some systems count those of a sleep, others do not."""

    def now(self) -> datetime:
        """The time of day, with its zone."""


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Interruptions:
    """Notices them by how far two clocks went between two looks."""

    clock: Clock
    _looked: tuple[float, datetime] | None = field(default=None, init=False)

    def since_last_look(self) -> bool:
        """Whether the computer slept or its clock jumped since this was asked before."""
        before, self._looked = self._looked, (self.clock.monotonic(), self.clock.now())
        if before is None:
            return False
        went = self._looked[0] - before[0]
        by_the_day = (self._looked[1] - before[1]).total_seconds()
        return went > _LARGEST_STEP or abs(by_the_day - went) > _LARGEST_STEP
