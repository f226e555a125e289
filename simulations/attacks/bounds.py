"""What canary scores prove about a mechanism: a Gaussian estimate of mu, and a lower bound on epsilon from one run.

A canary's score is high where it took part. A fair coin decided that for each, and nobody but the coin's owner knew.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, norm

_GUESSES = (10, 20, 50, 100, 200, 500, 1000)
"""Numbers of guesses that are tried; the error is split among them, since the best is kept."""
_LARGEST_EPSILON = 64.0
_HALVINGS = 40


@dataclass(frozen=True)
class MuEstimate:
    """mu, the distance of the two score distributions in standard deviations, and its standard error."""

    value: float
    error: float

    def lower(self, error_rate: float) -> float:
        """What mu is at least, but for a probability of `error_rate`; never below 0."""
        return max(0.0, self.value - float(norm.isf(error_rate)) * self.error)

    def upper(self, error_rate: float) -> float:
        """What mu is at most, but for a probability of `error_rate`."""
        return self.value + float(norm.isf(error_rate)) * self.error


@dataclass(frozen=True)
class OneRunBound:
    """`correct` of `guesses` right guesses are unlikely with an epsilon below `epsilon`."""

    epsilon: float
    guesses: int
    correct: int


def estimate_mu(scores: np.ndarray, included: np.ndarray) -> MuEstimate:
    """(mean in - mean out) / pooled deviation, with the large-sample standard error of a standardised difference.

    Adding one sequence to a mu-GDP Gaussian mechanism shifts the best score by mu deviations (Dong, Roth and Su 2019,
    "Gaussian Differential Privacy", definition 2.6). A worse score, or canaries in each other's way, makes the estimate
    smaller, so that its lower end stays a lower bound. The error is Hedges and Olkin's (1985, "Statistical Methods
    for Meta-Analysis", section 5.D).

    scores: (m,); included: (m,) bool, at least two of either kind
    """
    taken, left = scores[included], scores[~included]
    deviation = math.sqrt(
        ((len(taken) - 1) * taken.var(ddof=1) + (len(left) - 1) * left.var(ddof=1)) / (len(scores) - 2)
    )
    value = float(taken.mean() - left.mean()) / deviation
    error = math.sqrt(1 / len(taken) + 1 / len(left) + value * value / (2 * len(scores)))
    return MuEstimate(value, error)


def one_run_bound(scores: np.ndarray, included: np.ndarray, delta: float, error_rate: float) -> OneRunBound:
    """The largest epsilon that the guesses refute (Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1)
    Training Run", algorithm 1 and theorem 5.2).

    The auditor says "in" of the highest scores and "out" of as many of the lowest. Several numbers of guesses are
    tried at `error_rate` divided by how many (Bonferroni), and the best bound is kept.

    scores: (m,), at least ten; included: (m,) bool
    """
    order, canaries = np.argsort(scores, kind="stable"), len(scores)
    tries = [guesses for guesses in _GUESSES if guesses <= canaries]
    bounds = []
    for guesses in tries:
        half = guesses // 2
        correct = int(included[order[-half:]].sum() + (~included[order[:half]]).sum())
        epsilon = _refuted(canaries, guesses, correct, delta, error_rate / len(tries))
        bounds.append(OneRunBound(epsilon, guesses, correct))
    return max(bounds, key=lambda bound: bound.epsilon)


def p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """How likely an (epsilon, delta)-private mechanism lets so many guesses be right, at most (theorem 5.2).

    Without delta the right guesses are at most Binomial(guesses, e^epsilon / (1 + e^epsilon)); delta adds
    2 m delta max over i of P[correct - i <= that < correct] / i.
    """
    right = 1 / (1 + math.exp(-epsilon))
    misses_by = np.arange(1, correct + 1)
    nearly = np.cumsum(binom.pmf(correct - misses_by, guesses, right))
    slack = 2 * canaries * delta * float((nearly / misses_by).max(initial=0.0))
    return min(1.0, float(binom.sf(correct - 1, guesses, right)) + slack)


def _refuted(canaries: int, guesses: int, correct: int, delta: float, error_rate: float) -> float:
    low, high = 0.0, _LARGEST_EPSILON
    if p_value(canaries, guesses, correct, low, delta) > error_rate:
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        refuted = p_value(canaries, guesses, correct, middle, delta) <= error_rate
        low, high = (middle, high) if refuted else (low, middle)
    return low
