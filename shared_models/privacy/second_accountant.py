"""A second opinion on epsilon: Google's dp-accounting, by privacy loss distributions instead of the closed form."""

from importlib.metadata import version

import dp_accounting
from dp_accounting.pld import PLDAccountant

from shared_models.privacy.policy import Policy

NAME = f"dp-accounting {version('dp-accounting')}, privacy loss distributions"


def second_epsilon(policy: Policy, participations: int) -> float:
    """Epsilon at the policy's delta after `participations` rounds (Doroshenko et al. 2022, pessimistic estimate)."""
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    step = dp_accounting.GaussianDpEvent(policy.noise_multiplier)
    accountant.compose(step, participations * policy.steps)
    return float(accountant.get_epsilon(policy.delta))
