"""Epsilon from what was spent: one function that calibrates, guards and prints, so the three never disagree.

With full batches (q = 1) every step is a Gaussian mechanism of sensitivity C and standard deviation sigma * C, so a
device's lifetime is mu-GDP with mu = sqrt(sum of 1 / sigma^2 over its steps): Dong, Roth and Su 2019, "Gaussian
Differential Privacy", Corollary 2 (composition); Balle and Wang 2018, "Improving the Gaussian Mechanism for
Differential Privacy", Theorem 8 (the curve). With Poisson sampling (q < 1) it is counted by privacy loss
distributions instead. Adjacency: one unit of protection added or removed.
"""

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from scipy.special import log_ndtr

_PRECISION = 1e-9
EPSILON_STEP = 1e-4
"""What is printed is rounded up to it."""
_LARGEST_MU = 1e4
"""Beyond it epsilon is above 5e7 and counts as infinite: the curve's two terms no longer cancel in floating point."""
_LEAST_SAMPLED_SIGMA = 0.1
"""Below it a loss distribution does not fit in memory; the figure without amplification bounds it from above."""


class Spend(NamedTuple):
    """`steps` additions of noise of `sigma` times the sensitivity, each unit taking part with probability `q`."""

    sigma: float
    q: float
    steps: int


def epsilon_of(spends: Iterable[Spend], delta: float) -> float:
    """The epsilon at `delta` of a whole history, rounded up to four decimals; infinite where a step had no noise."""
    return _rounded_up(exact_epsilon(spends, delta))


def without_amplification(spends: Iterable[Spend], delta: float) -> float:
    """The same as if every unit had taken part in every step: what holds whoever did the sampling."""
    return epsilon_of([spend._replace(q=1.0) for spend in spends], delta)


def exact_epsilon(spends: Iterable[Spend], delta: float) -> float:
    """`epsilon_of` before it is rounded up: smooth, for whoever searches along it."""
    return _composed(merged(spends), delta)


def merged(spends: Iterable[Spend]) -> tuple[Spend, ...]:
    """The same history with one entry for each kind of step, which composes to the same."""
    steps: Counter[tuple[float, float]] = Counter()
    for spend in spends:
        steps[spend.sigma, spend.q] += spend.steps
    return tuple(Spend(sigma, q, count) for (sigma, q), count in sorted(steps.items()) if count)


def mu_of(spends: Iterable[Spend]) -> float:
    """The GDP parameter of a history without amplification by sampling; infinite where a step had no noise."""
    squares = [math.inf if spend.sigma == 0 else spend.steps / spend.sigma / spend.sigma for spend in spends]
    return math.sqrt(math.fsum(squares))


def delta_at(mu: float, epsilon: float) -> float:
    """delta(epsilon) = Phi(-epsilon/mu + mu/2) - exp(epsilon) Phi(-epsilon/mu - mu/2) under mu-GDP."""
    if mu == 0:
        return 0.0
    above = math.exp(log_ndtr(mu / 2 - epsilon / mu))
    below = math.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu))
    return max(0.0, above - below)


def epsilon_at(mu: float, delta: float) -> float:
    """The smallest epsilon of a mu-GDP mechanism at `delta`, rounded up to four decimals."""
    return _rounded_up(_gaussian_epsilon(mu, delta))


@lru_cache(maxsize=4096)
def _composed(spends: tuple[Spend, ...], delta: float) -> float:
    sampled = any(spend.q < 1 for spend in spends)
    if not sampled or min(spend.sigma for spend in spends) < _LEAST_SAMPLED_SIGMA:
        return _gaussian_epsilon(mu_of(spends), delta)
    from shared_models.privacy.loss_distributions import pld_epsilon  # costs a second to import; few need it

    return pld_epsilon(spends, delta)


def _gaussian_epsilon(mu: float, delta: float) -> float:
    if mu == 0:
        return 0.0
    if mu > _LARGEST_MU:
        return math.inf
    low, high = 0.0, 1.0
    while delta_at(mu, high) > delta:
        low, high = high, 2 * high
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if delta_at(mu, middle) > delta else (low, middle)
    return high


def _rounded_up(epsilon: float) -> float:
    return epsilon if math.isinf(epsilon) else round(math.ceil(epsilon / EPSILON_STEP) * EPSILON_STEP, 4)
