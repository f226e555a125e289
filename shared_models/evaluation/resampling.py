"""How far a score, or the difference of two, would move with other people: the bootstrap over subjects, paired.

Sequences of one person are alike, so people are drawn with replacement, each with all of their sequences. Scores that
are compared are taken from the same draws, so that what moves both does not count as a difference between them. An
interval lies between percentiles of the draws: Efron and Tibshirani 1993, "An Introduction to the Bootstrap",
chapter 13.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.confusion import rates_of, share
from shared_models.evaluation.sheets import ABSENT

DRAWS, SEED = 1000, 0
_PERCENTILES = 2.5, 97.5
_AT_ONCE = 100

Score = Callable[..., np.ndarray]
Unit = Literal["subject", "sequence"]
UNIT_WORDS: dict[Unit, str] = {"subject": "people", "sequence": "sequences"}
WITHOUT_WIDTH = "An interval without width: all or none were right here, which does not say that it will stay so."
_ALL = slice(None)


class Estimate(Documented):
    """A score, or the difference of two."""

    value: float
    """as measured"""
    low: float | None
    """lower end of its 95 % interval; `null` where there is one unit only"""
    high: float | None
    """upper end"""


def unit_of(subjects: Sequence[str | None]) -> Unit:
    """What is drawn: people with all their sequences, or single sequences where nobody is named."""
    return "sequence" if all(subject is None for subject in subjects) else "subject"


def units_of(subjects: Sequence[str | None]) -> np.ndarray:
    """(N,) int64: the number of the unit that each sequence belongs to; one of nobody named is a unit of its own."""
    names = [("", str(place)) if subject is None else (subject, "") for place, subject in enumerate(subjects)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)


def count_by_unit(
    targets: np.ndarray, probabilities: np.ndarray, units: np.ndarray, chosen: np.ndarray | None = None
) -> np.ndarray:
    """(U, K, K) float64 confusion counts of each unit, row = true class, column = most probable class.

    targets, probabilities, units: (N,), (N, K) and (N,), the last from `units_of`
    chosen:                        (N,) bool, the sequences that count; all where it is not given
    """
    classes = probabilities.shape[1]
    counts = np.zeros((int(units.max()) + 1, classes, classes))
    np.add.at(counts, (units, targets, probabilities.argmax(axis=1)), 1 if chosen is None else chosen)
    return counts


def estimate(score: Score, *counts: np.ndarray) -> Estimate:
    """`score` of the counts of everybody, and its interval.

    score:  takes as many (..., K, K) as there are `counts`, and gives (...). Draws for which it is NaN, since they hold
            none of a group, are left out
    counts: (U, K, K) each, of the same units in the same order
    """
    value = float(score(*(own.sum(axis=0) for own in counts)))
    units = len(counts[0])
    if units < 2:
        return Estimate(value=value, low=None, high=None)
    drawn = score(*(np.tensordot(_draws(units), own, axes=1) for own in counts))
    low, high = np.nanpercentile(drawn, _PERCENTILES)
    return Estimate(value=value, low=float(low), high=float(high))


def draw(units: int, draws: int = DRAWS, seed: int = SEED) -> Iterator[np.ndarray]:
    """(b, units) int each: how often each unit is drawn, `units` times with replacement, `draws` times in all."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, _AT_ONCE):
        yield rng.multinomial(units, np.full(units, 1 / units), size=min(_AT_ONCE, draws - start))


def interval_words(score: Estimate, form: str = ".3f") -> str:
    """Its interval as a cell of a table."""
    return ABSENT if score.low is None else f"{score.low:{form}} to {score.high:{form}}"


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of right answers: (..., K, K) -> (...)."""
    return _mean(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def uar(counts: np.ndarray, among: slice | list[int] = _ALL) -> np.ndarray:
    """Mean recall of the classes that occur, of those in `among`: (..., K, K) -> (...)."""
    rates = rates_of(counts)
    return _mean_of_present(rates.recall[..., among], rates.support[..., among])


def macro_f1(counts: np.ndarray, among: slice | list[int] = _ALL) -> np.ndarray:
    """Mean F1 of the classes that occur, of those in `among`: (..., K, K) -> (...)."""
    rates = rates_of(counts)
    return _mean_of_present(rates.f1[..., among], rates.support[..., among])


@lru_cache(maxsize=2)
def _draws(units: int) -> np.ndarray:
    """(DRAWS, units) float64: the same in every call."""
    return np.concatenate(list(draw(units))).astype(np.float64)


def _mean_of_present(values: np.ndarray, support: np.ndarray) -> np.ndarray:
    present = support > 0
    return _mean((values * present).sum(axis=-1), present.sum(axis=-1))


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to average."""
    return np.where(count > 0, share(total, count), np.nan)
