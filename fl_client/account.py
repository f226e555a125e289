"""The student's own account: what left this device, when, and what it has cost, recounted from the ledger alone."""

from datetime import UTC, datetime
from typing import Any

from fl_client.home import Enrolment
from shared_models.privacy.accounting import mu_of
from shared_models.privacy.events import Aborted, Intent, Released, spends_of, spent_epsilon
from shared_models.privacy.ledger import Entry
from shared_models.privacy.mechanism import Unit
from shared_models.privacy.odds import odds


def account(entries: list[Entry], enrolment: Enrolment) -> dict[str, Any]:
    """One row for each intent in the order of `entries`, whose chain has been checked, and the odds now and at the cap.

    `answer` says whether the update left: `released`, `aborted`, or `open` where the server has not confirmed it.
    """
    policy = enrolment.policy
    answers = {e.body.nonce: e.body.kind for e in entries if isinstance(e.body, Released | Aborted)}
    intents: list[Intent] = []
    rows = []
    for entry in entries:
        if isinstance(entry.body, Intent):
            intents.append(entry.body)
            rows.append(
                {
                    "round": entry.body.round,
                    "at": datetime.fromtimestamp(entry.at, UTC).isoformat(),
                    "answer": answers.get(entry.body.nonce, "open"),
                    "engine": entry.body.engine,
                    "epsilon_after": _spent(intents, enrolment),
                }
            )
    return {
        "device": enrolment.pseudonym,
        "unit": policy.unit,
        "delta": policy.delta,
        "uploads": rows,
        "epsilon": _spent(intents, enrolment),
        "epsilon_cap": policy.epsilon,
        "right_in_100_now": max(_right(intents, one.unit, policy.delta) for one in policy.mechanisms),
        "right_in_100_at_cap": odds(policy.epsilon, policy.delta, policy.lifetime_mu).at_most,
        "chain_head": entries[-1].hash if entries else None,
    }


def _spent(intents: list[Intent], enrolment: Enrolment) -> float:
    policy = enrolment.policy
    return max(spent_epsilon(intents, one.unit, policy.delta) for one in policy.mechanisms)


def _right(intents: list[Intent], unit: Unit, delta: float) -> int:
    """How often in 100 a best guesser is right about one `unit`: from mu where every step was a full batch."""
    spends = spends_of(intents, unit)
    mu = mu_of(spends) if all(spend.q == 1 for spend in spends) else None
    return odds(spent_epsilon(intents, unit, delta), delta, mu).at_most
