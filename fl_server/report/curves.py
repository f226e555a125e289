"""A claim's whole curve, for the document: delta by epsilon, and what the best attacker finds.

Every (epsilon, delta) on the curve holds at once, so the best attacker at a rate of false alarms is bounded by the
least that any of them allows: Dong, Roth and Su 2019, "Gaussian Differential Privacy", proposition 2.5. The largest
gap between hits and false alarms is delta(0).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial

from shared_models.privacy.accounting import Spend, delta_at, merged, mu_of
from shared_models.privacy.odds import detection_from_epsilon

Profile = Callable[[float], float]
"""delta(epsilon), the smallest delta that holds with an epsilon of 0 or more."""

_CURVE_POINTS = 24
_FALSE_ALARMS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 0.01, 0.02, 0.04, 0.07, *(i / 20 for i in range(2, 21)))
_SMALLEST_DELTA = 1e-12
_GRID = 200


def profile(spends: Iterable[Spend]) -> Profile:
    """The curve of a history: closed form where every unit takes part in every step, else by loss distributions."""
    history = merged(spends)
    return partial(delta_at, mu_of(history)) if all(spend.q == 1 for spend in history) else _sampled(history)


@lru_cache(maxsize=64)
def _sampled(history: tuple[Spend, ...]) -> Profile:
    """Doroshenko et al. 2022, "Connect the Dots", a pessimistic estimate in both directions of adding and removing."""
    import dp_accounting
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    for sigma, q, steps in history:
        accountant.compose(dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(sigma)), steps)
    return lambda epsilon: float(accountant.get_delta(epsilon))


def advantage(profile: Profile) -> float:
    """Largest TPR - FPR of any attacker."""
    return min(1.0, profile(0.0))


def curve(profile: Profile, epsilon: float) -> list[dict[str, float]]:
    """Points from epsilon 0 to one and a half times the claimed `epsilon`."""
    grid = [1.5 * epsilon * i / _CURVE_POINTS for i in range(_CURVE_POINTS + 1)]
    points = [{"epsilon": value, "delta": min(1.0, profile(value))} for value in grid]
    return [point for point in points if point["delta"] >= _SMALLEST_DELTA]


def trade_off(profile: Profile, epsilon: float) -> list[dict[str, float]]:
    """What the best attacker finds at false alarm rates from 0 to 1; an upper bound, and tight on a fine grid."""
    grid = [2 * epsilon * i / _GRID for i in range(_GRID + 1)]
    allowed = [(value, min(1.0, profile(value))) for value in grid]
    return [
        {"false_alarms": rate, "detected": max(rate, min(detection_from_epsilon(rate, e, d) for e, d in allowed))}
        for rate in _FALSE_ALARMS
    ]
