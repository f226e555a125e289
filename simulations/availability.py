"""Which devices are there when a round begins, and which of those that were asked have answered when it closes.

Each model is small, seeded, and one part of a study's life; `Together` puts them on top of each other. None is measured
on people: their numbers are assumptions to be varied. A round costs a few bytes for each device of the population.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fl_server.settings import RoundSettings
from simulations.traits import parse_trait


class Availability(Protocol):
    """Rounds count from 1; the same round gives the same answer, whatever was asked before."""

    def present(self, round_: int, devices: int) -> np.ndarray:
        """(devices,) bool: who can be asked in this round."""

    def answering(self, round_: int, asked: np.ndarray) -> np.ndarray:
        """(len(asked),) bool: who of the devices with these numbers answers before the round closes."""


class Always:
    """Everybody is there and answers."""

    def present(self, round_: int, devices: int) -> np.ndarray:
        return np.ones(devices, dtype=bool)

    def answering(self, round_: int, asked: np.ndarray) -> np.ndarray:
        return np.ones(len(asked), dtype=bool)


class Diurnal(Always):
    """Laptops that are open by day: a round every `hours`, and students whose days begin earlier or later.

    A device is there with a probability that goes as a cosine from 0.05 at night to 0.65 twelve hours later; the peak
    is at 15:00, with a standard deviation of two hours between students. The first round begins at noon.
    """

    def __init__(self, seed: int, hours: float) -> None:
        self._seed, self._hours = seed, hours

    def present(self, round_: int, devices: int) -> np.ndarray:
        shift = _rng(self._seed, 1).normal(0, 2, devices)
        hour = 12 + self._hours * (round_ - 1)
        chance = 0.35 + 0.3 * np.cos(2 * np.pi * (hour - 15 - shift) / 24)
        return np.asarray(_rng(self._seed, 2, round_).random(devices) < chance)


class DropOut(Always):
    """Each device that was asked fails to answer with probability `share`: a lid closed, a network lost."""

    def __init__(self, seed: int, share: float) -> None:
        self._seed, self._share = seed, share

    def answering(self, round_: int, asked: np.ndarray) -> np.ndarray:
        return np.asarray(_rng(self._seed, 3, round_).random(len(asked)) >= self._share)


class Stragglers(Always):
    """Answers take a log-normal time, with a median of 20 s; those after the round has closed do not count.

    It closes as the server's does: `straggler_seconds` after `close_at` of the asked have answered, or at the deadline.
    """

    def __init__(self, seed: int, spread: float, rounds: RoundSettings = RoundSettings()) -> None:
        self._seed, self._spread, self._rounds = seed, spread, rounds

    def answering(self, round_: int, asked: np.ndarray) -> np.ndarray:
        seconds = 20 * _rng(self._seed, 4, round_).lognormal(0, self._spread, len(asked))
        enough = max(self._rounds.min_devices, int(self._rounds.close_at * len(asked)))
        if len(asked) < enough:
            return np.asarray(seconds <= self._rounds.deadline_seconds)
        enough_at = float(np.sort(seconds)[enough - 1])
        return np.asarray(seconds <= min(enough_at + self._rounds.straggler_seconds, self._rounds.deadline_seconds))


class LateJoiners(Always):
    """In each round, `share` of those who have not enrolled yet do."""

    def __init__(self, seed: int, share: float) -> None:
        self._seed, self._share = seed, share

    def present(self, round_: int, devices: int) -> np.ndarray:
        return np.asarray(_rng(self._seed, 5).geometric(self._share, devices) <= round_)


class Withdrawals(Always):
    """After each round, `share` of those who are left withdraw for good."""

    def __init__(self, seed: int, share: float) -> None:
        self._seed, self._share = seed, share

    def present(self, round_: int, devices: int) -> np.ndarray:
        return np.asarray(_rng(self._seed, 6).geometric(self._share, devices) >= round_)


class Together:
    """All of `parts` at once: a device is there, or answers, where each of them says so."""

    def __init__(self, parts: Sequence[Availability]) -> None:
        self._parts = parts

    def present(self, round_: int, devices: int) -> np.ndarray:
        return np.logical_and.reduce([part.present(round_, devices) for part in self._parts])

    def answering(self, round_: int, asked: np.ndarray) -> np.ndarray:
        return np.logical_and.reduce([part.answering(round_, asked) for part in self._parts])


_MODELS: dict[str, tuple[Callable[[int, float], Availability], float, float, float]] = {
    "diurnal": (Diurnal, 5.0, 0.1, 1000.0),
    "drop-out": (DropOut, 0.1, 0.0, 0.99),
    "stragglers": (Stragglers, 1.0, 0.0, 10.0),
    "late-joiners": (LateJoiners, 0.5, 0.001, 1.0),
    "withdrawals": (Withdrawals, 0.02, 0.001, 1.0),
}
"""By name: the class, and the default, least and largest value of its one number."""
MODELS = ("always", *_MODELS)


def availability_of(texts: Sequence[str], seed: int) -> Availability:
    """The models named, such as `drop-out:0.2`, on top of each other; everybody where none is.

    Raises UsageError for a name that is none, or a number out of its range.
    """
    parts = [_model(text, seed) for text in texts if text != "always"]
    return Together(parts) if parts else Always()


def _model(text: str, seed: int) -> Availability:
    name, value = parse_trait(text, "availability", {key: row[1:] for key, row in _MODELS.items()})
    return _MODELS[name][0](seed, value)


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)
