"""Epsilon by privacy loss distributions, for which Google's dp-accounting is used."""

from collections.abc import Iterable

import dp_accounting
from dp_accounting.pld import PLDAccountant

from shared_models.privacy.accounting import Spend, merged


def pld_epsilon(spends: Iterable[Spend], delta: float) -> float:
    """Epsilon at `delta` of a history with noise in every step, sampled by Poisson where q < 1.

    A pessimistic estimate, for add/remove neighbours in both directions: Doroshenko et al. 2022, "Connect the Dots:
    Tighter Discrete Approximations of Privacy Loss Distributions".
    """
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    for sigma, q, steps in merged(spends):
        step: dp_accounting.DpEvent = dp_accounting.GaussianDpEvent(sigma)
        accountant.compose(dp_accounting.PoissonSampledDpEvent(q, step) if q < 1 else step, steps)
    return float(accountant.get_epsilon(delta))
