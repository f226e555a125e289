"""Training only while other programs leave the processor free."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import psutil

from fl_client.conditions.condition import Condition

_WINDOW_SECONDS = 10.0  # a short burst, such as a page that opens, is no load
_LEAST_SECONDS = 1.0


class Spent(NamedTuple):
    """CPU seconds since the computer started: of all cores, of those the busy ones, and of those this program's."""

    total: float
    busy: float
    own: float


def read_spent() -> Spent:
    times, own = psutil.cpu_times(), psutil.Process().cpu_times()
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # counted as user time too
    return Spent(total, total - times.idle - getattr(times, "iowait", 0.0), own.user + own.system)


class OthersLoad:
    """Percent of this computer's cores that other programs kept busy in the last ten seconds."""

    def __init__(self, spent: Callable[[], Spent] = read_spent, cores: int | None = None) -> None:
        self._spent, self._cores = spent, cores or psutil.cpu_count() or 1
        self._seen = deque([spent()])

    def __call__(self) -> float:
        """0 where it is asked within a second of its start."""
        now = self._spent()
        while len(self._seen) > 1 and self._seconds(now, self._seen[1]) >= _WINDOW_SECONDS:
            self._seen.popleft()
        before = self._seen[0]
        if self._seconds(now, before) < _LEAST_SECONDS:
            return 0.0
        self._seen.append(now)
        others = (now.busy - before.busy) - (now.own - before.own)
        return 100 * max(0.0, others) / (now.total - before.total)

    def _seconds(self, later: Spent, earlier: Spent) -> float:
        return (later.total - earlier.total) / self._cores


def others_idle(limit: float, probe: Callable[[], float | None] | None = None) -> Condition[float]:
    """limit: percent of all cores that other programs may use"""

    def judge(percent: float) -> str:
        return f"other programs use {percent:.0f} % of the processor" if percent > limit else ""

    return Condition("what other programs use", probe or OthersLoad(), judge)
