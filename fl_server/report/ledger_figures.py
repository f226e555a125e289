"""The budget's figures, computed from the policy and the ledger's rounds: by the report, and again by a checker.

Needs nothing of training or transport.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fl_server.report.bands import band
from shared_models.errors import PolicyError
from shared_models.privacy.accounting import Spend
from shared_models.privacy.events import ModelRestored, RoundClosed
from shared_models.privacy.mechanism import Mechanism, Unit
from shared_models.privacy.policy import Policy


def main_mechanism(policy: Policy) -> Mechanism:
    """The noise that the first claim rests on; raises PolicyError where the policy has none."""
    if not policy.mechanisms:
        raise PolicyError("There is no budget to report", why="the policy adds no noise")
    return policy.mechanisms[0]


def claim_spends(policy: Policy, unit: Unit, against_server: bool) -> list[Spend]:
    """What a whole lifetime spends of `unit`, as its observer sees it.

    The server sees each upload alone, with its own share of a participant's noise, and all of the data may be replaced:
    sensitivity 2C against a share z C / sqrt(m - c). For a sequence the noise is the same for everybody.
    """
    spends = policy.spends_after(policy.lifetime_rounds, unit)
    mechanism = policy.mechanism_for(unit)
    if unit == "sequence" or not against_server or mechanism is None:
        return spends
    honest = mechanism.survivors - mechanism.colluders
    return [spend._replace(sigma=spend.sigma / (2 * math.sqrt(honest))) for spend in spends]


def steps_back(restores: Sequence[ModelRestored]) -> list[dict[str, int]]:
    return [{"after_round": restored.round, "to_round": restored.to_round} for restored in restores]


def ledger_figures(policy: Policy, rounds: Sequence[RoundClosed]) -> dict[str, Any]:
    """Fields of the report's `ledger` that follow from closed rounds, in order; void ones too, whose debits stand."""
    mechanism = main_mechanism(policy)

    def spent(participations: int) -> float:
        return policy.epsilon_after(participations, mechanism.unit) if participations else 0.0

    taken: Counter[str] = Counter()
    debits = []
    for round_ in rounds:
        taken.update(round_.debits.keys())
        debits.append(
            {
                "round": round_.round,
                "steps": mechanism.steps,
                "noise_multiplier": mechanism.sigma,
                "sampling_rate": mechanism.q,
                "epsilon_after": spent(max(taken.values(), default=0)),
                "devices": band(len(round_.debits)),
            }
        )
    total = spent(max(taken.values(), default=0))
    return {
        "cap": policy.epsilon,
        "spent": total,
        "remaining": policy.epsilon - total,
        "debits": debits,
        "devices_by_spent": [
            {"epsilon_from": spent(count), "epsilon_to": spent(count), "devices": band(devices)}
            for count, devices in sorted(Counter(taken.values()).items())
        ],
        "forecast": [{"participations": n, "epsilon": spent(n)} for n in range(policy.lifetime_rounds + 1)],
    }
