"""Epsilon from what was spent: one exact function that calibrates, guards and prints, so the three never disagree.

With full batches (q = 1) every step is a Gaussian mechanism of sensitivity C and standard deviation sigma * C, so a
device's lifetime is mu-GDP with mu = sqrt(sum of 1 / sigma^2 over its steps): Dong, Roth and Su 2019, "Gaussian
Differential Privacy", Corollary 2 (composition); Balle and Wang 2018, "Improving the Gaussian Mechanism for
Differential Privacy", Theorem 8 (the curve). Adjacency: one sequence added or removed.
"""

import math
from collections.abc import Iterable

from scipy.special import log_ndtr

from shared_models.errors import PolicyError

_PRECISION = 1e-9
_SIGMA_STEP = 1e-4
_EPSILON_STEP = 1e-4
_LARGEST_MU = 1e4
"""Beyond it epsilon is above 5e7 and counts as infinite: the curve's two terms no longer cancel in floating point."""


def mu_of(steps: Iterable[tuple[int, float]]) -> float:
    """The GDP parameter of pairs (number of steps, noise multiplier sigma), each at q = 1."""
    return math.sqrt(math.fsum(count / sigma / sigma for count, sigma in steps))


def delta_at(mu: float, epsilon: float) -> float:
    """delta(epsilon) = Phi(-epsilon/mu + mu/2) - exp(epsilon) Phi(-epsilon/mu - mu/2) under mu-GDP."""
    if mu == 0:
        return 0.0
    above = math.exp(log_ndtr(mu / 2 - epsilon / mu))
    below = math.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu))
    return max(0.0, above - below)


def epsilon_at(mu: float, delta: float) -> float:
    """The smallest epsilon of a mu-GDP mechanism at `delta`, rounded up to four decimals."""
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
    return round(math.ceil(high / _EPSILON_STEP) * _EPSILON_STEP, 4)


def calibrate(epsilon: float, delta: float, steps: int) -> float:
    """The smallest noise multiplier, on a grid of 0.0001, with which `steps` full-batch steps cost at most `epsilon`.

    Raises PolicyError where epsilon, delta or the number of steps is not positive.
    """
    if not (epsilon > 0 and 0 < delta < 1 and steps >= 1):
        raise PolicyError(
            "The noise cannot be calibrated",
            why=f"epsilon {epsilon}, delta {delta} and {steps} steps must all be positive, delta below 1",
        )

    def spent(ticks: int) -> float:
        return epsilon_at(mu_of([(steps, ticks * _SIGMA_STEP)]), delta)

    high = 1
    while spent(high) > epsilon:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if spent(middle) > epsilon else (low, middle)
    return round(high * _SIGMA_STEP, 4)
