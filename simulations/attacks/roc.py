"""How well scores tell members from others, with intervals over both the sequences and the models that were drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

_RESAMPLES = 1000
_ENDS = (0.025, 0.975)
Figure = Callable[[np.ndarray, np.ndarray], float]
"""Of scores (M,) and, (M,) bool, which are of members."""
Scored = tuple[np.ndarray, np.ndarray]
"""Scores (N, R) of R sequences under N models, and (N, R) bool: which are of members."""


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def auc(scores: np.ndarray, member: np.ndarray) -> float:
    """The probability that a member scores above another sequence; ties count half (Mann-Whitney). Both (M,)."""
    members = int(member.sum())
    above = rankdata(scores)[member].sum() - members * (members + 1) / 2
    return float(above / (members * (len(scores) - members)))


def detection_at(false_alarms: float, scores: np.ndarray, member: np.ndarray) -> float:
    """The share of members above a threshold that at most `false_alarms` of the others exceed. Both (M,)."""
    others = np.sort(scores[~member])[::-1]
    return float((scores[member] > others[int(false_alarms * len(others))]).mean())


def estimate(figure: Figure, pools: Sequence[Scored], seed: int) -> Estimate:
    """`figure` of all scores together, with a bootstrap interval that draws models and sequences of each pool anew.

    Scores of one sequence under several models depend on each other, and so do those of one model: resampling both
    gives an interval that is, if anything, too wide (Owen 2007, "The Pigeonhole Bootstrap", section 3).
    """
    rng = np.random.default_rng((seed, 13))
    drawn = [figure(*_flat([_resampled(pool, rng) for pool in pools])) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, _ENDS)
    return Estimate(figure(*_flat(pools)), float(low), float(high))


def _resampled(pool: Scored, rng: np.random.Generator) -> Scored:
    """Drawn again where there is no member, or nobody else, as may happen in a small pool."""
    scores, member = pool
    while True:
        chosen = np.ix_(*(rng.integers(0, size, size) for size in scores.shape))
        if 0 < member[chosen].sum() < member.size:
            return scores[chosen], member[chosen]


def _flat(pools: Sequence[Scored]) -> Scored:
    return np.concatenate([scores.ravel() for scores, _ in pools]), np.concatenate([m.ravel() for _, m in pools])
