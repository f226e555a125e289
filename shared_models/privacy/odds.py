"""What epsilon means as odds: how often a best guesser is right, and how much it finds at a false alarm rate.

The guesser sees everything its observer sees and decides between two worlds: the unit of protection is in
the data, or it is not. Odds are understood better than epsilon itself: Nanayakkara et al. 2023, "What Are the
Chances? Explaining the Epsilon Parameter in Differential Privacy", USENIX Security.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

OUT_OF = 100

_LARGEST_EXPONENT = 700.0  # beyond it exp() leaves the floating-point range; both curves are 1 long before
_normal = NormalDist()


@dataclass(frozen=True)
class Odds:
    """How many of `out_of` guesses are right: by tossing a coin, and at most by the best guesser."""

    by_coin: int
    at_most: int
    out_of: int
    advantage: float

    @property
    def wrong(self) -> int:
        return self.out_of - self.at_most

    @property
    def gained(self) -> int:
        return self.at_most - self.by_coin


def odds(epsilon: float, delta: float, mu: float | None) -> Odds:
    """The odds under mu-GDP where mu is known, which is exact; else the worst that (epsilon, delta) allows.

    A best guesser is right with probability (1 + advantage) / 2; rounded up, so that the sentence holds.
    """
    advantage = advantage_from_epsilon(epsilon, delta) if mu is None else advantage_from_mu(mu)
    at_most = math.ceil(OUT_OF * (1 + advantage) / 2)
    return Odds(by_coin=OUT_OF // 2, at_most=at_most, out_of=OUT_OF, advantage=advantage)


def advantage_from_mu(mu: float) -> float:
    """Largest TPR - FPR under mu-GDP: 2 Phi(mu/2) - 1. Dong et al. 2022: "Gaussian Differential Privacy"."""
    return 2 * _normal.cdf(mu / 2) - 1


def advantage_from_epsilon(epsilon: float, delta: float) -> float:
    """Largest TPR - FPR that (epsilon, delta) allows, (e^epsilon - 1 + 2 delta) / (e^epsilon + 1).

    Where the two lines of `detection_from_epsilon` cross: Kairouz, Oh, Viswanath 2015, "The Composition
    Theorem for Differential Privacy", theorem 2.1. Written with e^-epsilon, which no epsilon overflows.
    """
    shrink = math.exp(-epsilon)
    return (1 - shrink + 2 * delta * shrink) / (1 + shrink)


def detection_from_mu(false_alarms: float, mu: float) -> float:
    """Largest true positive rate at a false positive rate under mu-GDP: Phi(Phi^-1(a) + mu)."""
    if false_alarms in (0, 1):
        return false_alarms
    return _normal.cdf(_normal.inv_cdf(false_alarms) + mu)


def detection_from_epsilon(false_alarms: float, epsilon: float, delta: float) -> float:
    """Largest true positive rate at a false positive rate a under (epsilon, delta).

    min{e^epsilon a + delta, 1 - e^-epsilon (1 - delta - a), 1}: Kairouz, Oh, Viswanath 2015, theorem 2.1.
    """
    shrink = math.exp(-min(epsilon, _LARGEST_EXPONENT))
    return min(false_alarms / shrink + delta, 1 - shrink * (1 - delta - false_alarms), 1.0)
