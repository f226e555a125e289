"""How far scores would move with other people: 95 % intervals by the bootstrap over subjects.

Sequences of one person resemble each other, so people are drawn, not sequences, and everything of a drawn person comes
along: Field and Welsh 2007, "Bootstrapping clustered data" (the randomised cluster bootstrap). The interval lies
between the 2.5th and the 97.5th percentile of the scores of the draws: Efron and Tibshirani 1993, chapter 13.
"""

from collections.abc import Sequence

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.calibration import BINS, bin_of
from shared_models.evaluation.confusion import rates_of, share
from shared_models.evaluation.resampling import DRAWS, SEED, Unit, draw, unit_of, units_of

LEVEL = 0.95


class Interval(Documented):
    """Between which values a score lies."""

    low: float
    """its lower end"""
    high: float
    """its upper end"""


class ClassIntervals(Documented):
    """Of one class, over the draws that hold it."""

    recall: Interval | None
    """of the recall"""
    f1: Interval | None
    """of the F1"""


class Intervals(Documented):
    """Percentile intervals of the bootstrap. Each is `null` where there are fewer than two units to draw from."""

    level: float
    """the share of draws that lies in each interval"""
    draws: int
    """how many times the data was drawn anew"""
    seed: int
    """seed of the draws"""
    unit: Unit
    """what is drawn: people with all their sequences, or single sequences where nobody is named"""
    units: int
    """how many there are; a sequence of nobody named is one of its own"""
    accuracy: Interval | None
    """of the accuracy"""
    uar: Interval | None
    """of the unweighted average recall"""
    macro_f1: Interval | None
    """of the macro F1"""
    ece: Interval | None
    """of the expected calibration error"""
    per_class: dict[str, ClassIntervals]
    """by class; `null` where the data has none of it"""


def intervals(
    probabilities: np.ndarray,
    targets: np.ndarray,
    classes: tuple[str, ...],
    subjects: Sequence[str | None],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Intervals:
    """Of the scores of (N, K) probabilities against (N,) targets, drawn over the N `subjects`."""
    unit = units_of(subjects)
    counts = _Counts(probabilities, targets, unit)
    few = counts.units < 2
    scores = {} if few else _drawn_scores(counts, draws, seed)
    return Intervals(
        level=LEVEL,
        draws=draws,
        seed=seed,
        unit=unit_of(subjects),
        units=counts.units,
        **{name: None if few else between(scores[name]) for name in ("accuracy", "uar", "macro_f1", "ece")},
        per_class={
            name: ClassIntervals(
                recall=None if few else between(scores["recall"][:, number]),
                f1=None if few else between(scores["f1"][:, number]),
            )
            for number, name in enumerate(classes)
        },
    )


class _Counts:
    """What each unit adds to every score: all of them are sums over units, so that a draw is a weighted sum.

    confusion: (U, K * K); gaps: (U, BINS), correct answers less confidence; sizes: (U,)
    """

    def __init__(self, probabilities: np.ndarray, targets: np.ndarray, unit: np.ndarray) -> None:
        """unit: (N,) int, the unit of each sequence"""
        classes = probabilities.shape[1]
        confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
        self.units, self.classes = int(unit.max()) + 1, classes
        self.confusion = self._summed(unit, targets * classes + predicted, classes * classes)
        self.gaps = self._summed(unit, bin_of(confidence), BINS, (predicted == targets) - confidence)
        self.sizes = np.bincount(unit, minlength=self.units)

    def _summed(
        self, unit: np.ndarray, column: np.ndarray, columns: int, weights: np.ndarray | None = None
    ) -> np.ndarray:
        place = unit * columns + column
        return np.bincount(place, weights, self.units * columns).reshape(self.units, columns)


def _drawn_scores(counts: _Counts, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Scores of each draw, (B,); recall and f1 by class, (B, K), NaN where a draw has none of a class."""
    parts = [_scores_of(counts, times) for times in draw(counts.units, draws, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _scores_of(counts: _Counts, times: np.ndarray) -> dict[str, np.ndarray]:
    weights = times.astype(np.float64)
    confusion = (weights @ counts.confusion).reshape(len(times), counts.classes, counts.classes)
    rates, total = rates_of(confusion), weights @ counts.sizes
    absent = rates.support == 0
    return {
        "accuracy": share(np.trace(confusion, axis1=1, axis2=2), total),
        **rates.means(),
        "ece": share(np.abs(weights @ counts.gaps).sum(axis=1), total),
        "recall": np.where(absent, np.nan, rates.recall),
        "f1": np.where(absent, np.nan, rates.f1),
    }


def between(scores: np.ndarray) -> Interval | None:
    """None where no draw has a score."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high))
