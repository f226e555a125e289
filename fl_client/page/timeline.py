"""The readings of this session, in memory only: they are gone when the program ends."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SAMPLE_SECONDS = 5.0
BREAK_SECONDS = 5 * 60.0
"""So long away counts as a break."""
_SHORTEST_SECONDS = 10 * 60.0
_MOST_SAMPLES = int(12 * 3600 / SAMPLE_SECONDS)


@dataclass(frozen=True)
class Sample:
    """`shares` of each state at the Unix second `at`; None where nobody was read."""

    at: float
    shares: Mapping[str, float] | None


@dataclass(frozen=True)
class Slot:
    """The mean shares over one of the equal parts of a session; None where nobody was read in it."""

    shares: Mapping[str, float] | None


class Timeline:
    """Filled by one thread, read by others."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_MOST_SAMPLES)
        self._alone = threading.Lock()
        self._work_began = self._last_at_work = float("-inf")

    def observe(self, at: float, at_work: bool, shares: Mapping[str, float] | None) -> None:
        """Notes a sample, `SAMPLE_SECONDS` after the one before or later; earlier ones only count as work."""
        with self._alone:
            if at_work:
                if at - self._last_at_work >= BREAK_SECONDS:
                    self._work_began = at
                self._last_at_work = at
            if not self._samples or at - self._samples[-1].at >= SAMPLE_SECONDS:
                self._samples.append(Sample(at, shares))

    def worked(self, now: float) -> float:
        """Seconds at work since the last break; 0 during one."""
        with self._alone:
            return max(0.0, now - self._work_began) if now - self._last_at_work < BREAK_SECONDS else 0.0

    def since(self, moment: float) -> list[Sample]:
        with self._alone:
            return [sample for sample in self._samples if sample.at >= moment]

    def slots(self, count: int, now: float) -> tuple[float, list[Slot]]:
        """When the session began, and its `count` equal parts until now, or until ten minutes are full."""
        samples = self.since(float("-inf"))
        began = samples[0].at if samples else now
        seconds = max(now - began, _SHORTEST_SECONDS) / count
        parts: list[list[Mapping[str, float]]] = [[] for _ in range(count)]
        for sample in samples:
            if sample.shares is not None:
                parts[min(count - 1, int((sample.at - began) / seconds))].append(sample.shares)
        return began, [Slot(_mean(part)) for part in parts]


def _mean(shares: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    if not shares:
        return None
    return {name: sum(one[name] for one in shares) / len(shares) for name in shares[0]}
