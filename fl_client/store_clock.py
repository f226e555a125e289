"""How old stored sequences are, on a computer whose clock may be wrong.

The store has a clock of its own, in days (UTC), that follows the computer's but never goes back, and forward at most
one day in an hour. So a computer that wakes up in another year makes nothing old at once, and one that was off for a
month deletes what grew too old within the next thirty hours that it runs.
"""

from datetime import datetime
from typing import NamedTuple

_HOUR_SECONDS, _DAY_HOURS = 3600, 24


class StoreClock(NamedTuple):
    """The store's day, and the computer's hour when it was set; both counted from 1970."""

    day: int
    hour: int


def day_of(now: datetime) -> int:
    return _hour_of(now) // _DAY_HOURS


def first_clock(now: datetime) -> StoreClock:
    """The clock of a new store."""
    return StoreClock(day_of(now), _hour_of(now))


def moved_on(clock: StoreClock, now: datetime) -> StoreClock:
    """The clock at a sweep. A second sweep in the same hour does not move it, or restarts would make days pass."""
    hour = _hour_of(now)
    step = clock.day < day_of(now) and hour != clock.hour
    return StoreClock(clock.day + step, hour)


def _hour_of(now: datetime) -> int:
    return int(now.timestamp() // _HOUR_SECONDS)
