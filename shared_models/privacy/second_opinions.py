"""Second opinions on epsilon: Google's dp-accounting, and Opacus' RDP and PRV accountants.

They stand beside the figure that is printed and never replace it. Each has a known slack: privacy loss distributions
and PRV are within 1 % (Gopi, Lee and Wutschitz 2021, "Numerical Composition of Differential Privacy", theorem 1.1;
Doroshenko et al. 2022, "Connect the Dots"), RDP is an upper bound that is looser (Mironov 2017, proposition 3).
"""

import warnings
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version

from shared_models.privacy.accounting import Spend, exact_epsilon, merged

PLD = f"dp-accounting {version('dp-accounting')}, privacy loss distributions"
PRV = f"Opacus {version('opacus')}, PRV"
RDP = f"Opacus {version('opacus')}, RDP"
_SLACK = {PLD: (0.99, 1.01), PRV: (0.99, 1.01), RDP: (0.99, 1.5)}
"""The least and the most that an opinion may be of the printed epsilon. RDP's conversion is loosest for small ones."""
_LARGEST = 50.0
"""Above it nobody is asked: such an epsilon promises next to nothing, and PRV's grid does not fit in memory."""
_ABSOLUTE_SLACK = 0.02
"""PRV's own error bound on epsilon is .01 whatever epsilon is, and both opinions are rounded."""


def second_opinions(spends: Iterable[Spend], delta: float) -> dict[str, float]:
    """The epsilon of a history that holds at least one step with noise, by accountant."""
    return dict(_opinions(merged(spends), delta))


def disagreement(spends: Iterable[Spend], delta: float) -> str | None:
    """Which opinions differ from the printed epsilon by more than their slack, in words; None where all agree."""
    history = merged(spends)
    printed = exact_epsilon(history, delta)
    if not 0 < printed <= _LARGEST:
        return None
    differing = [
        f"{name} says {opinion:.4f}"
        for name, opinion in second_opinions(history, delta).items()
        if not (_SLACK[name][0] * printed - _ABSOLUTE_SLACK <= opinion <= _SLACK[name][1] * printed + _ABSOLUTE_SLACK)
    ]
    return f"accountants disagree: {printed:.4f} here, {', '.join(differing)}" if differing else None


@lru_cache(maxsize=256)
def _opinions(spends: tuple[Spend, ...], delta: float) -> tuple[tuple[str, float], ...]:
    from opacus.accountants import PRVAccountant, RDPAccountant

    from shared_models.privacy.loss_distributions import pld_epsilon

    opinions = [(PLD, pld_epsilon(spends, delta))]
    for name, kind in ((PRV, PRVAccountant), (RDP, RDPAccountant)):
        accountant = kind()
        accountant.history = [tuple(spend) for spend in spends]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # RDP says when its best order is at an end of its range: only looser
            opinions.append((name, float(accountant.get_epsilon(delta))))
    return tuple(opinions)
