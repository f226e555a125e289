"""Whether a report's figures follow from the evidence: each is computed again, from events and by two accountants."""

from collections.abc import Mapping
from typing import Any

from fl_server.report import curves
from fl_server.report.document import Report
from fl_server.report.document.promise import Claim
from fl_server.report.ledger_figures import claim_spends, ledger_figures, steps_back
from fl_server.report.signing import signature_holds
from fl_server.verify.checks import agree, second_epsilon
from fl_server.verify.evidence import Evidence
from shared_models.errors import VerificationError
from shared_models.privacy.accounting import epsilon_of, merged, mu_of, without_amplification
from shared_models.privacy.policy import Policy

_CLOSE = 1e-6
_LARGEST_ASKED = 50.0
"""Above it an epsilon promises next to nothing, and a loss distribution does not fit in memory."""


def signature(report: Report, evidence: Evidence) -> str:
    """A final report is signed by the server; a draft says that it is one."""
    if report.report.signature is None:
        return "a draft: not signed, and it says so"
    if not signature_holds(report, evidence.server_key):
        raise VerificationError("The report's signature does not hold")
    return "final, signed with the key of the server's ledger"


def claims(report: Report, evidence: Evidence) -> str:
    """Every epsilon that is claimed, with its curves, follows from the policy; what has none says why."""
    counted = 0
    for claim in report.claims:
        if claim.stated:
            _check_claim(claim, evidence.policy)
            counted += 1
        if claim.status == "holds" and evidence.simulated:
            raise VerificationError("A claim is said to hold, and the entries say that it was simulated")
    return f"{counted} claims recomputed by two accountants; {len(report.claims) - counted} without a guarantee"


def ledger(report: Report, evidence: Evidence) -> str:
    """The report's budget is that of the ledger, round by round."""
    if report.ledger.verification != "verified":
        return "the report itself says that its ledger did not verify, and shows no budget"
    expected = ledger_figures(evidence.policy, evidence.rounds) | {
        "entries": len(evidence.entries),
        "chain_head": evidence.head,
        "void_rounds": evidence.void,
        "steps_back": steps_back(evidence.restores),
        "device_entries": len(evidence.intents),
        "device_ledgers": len(evidence.device_ledgers),
        "receipts": len(evidence.receipts),
    }
    _compare("ledger", report.ledger.model_dump(mode="json"), expected)
    return f"{len(evidence.rounds)} rounds: budget, forecast and distribution follow from the entries"


def mechanism(report: Report, evidence: Evidence) -> str:
    """The noise that is described is that of the policy."""
    policy = evidence.policy
    expected = [
        {
            "unit": mechanism.unit,
            "noise_multiplier": mechanism.sigma,
            "clip_norm": mechanism.clip_norm,
            "sampling_rate": mechanism.q,
            "steps_per_round": mechanism.steps,
            "lifetime_steps": policy.lifetime_rounds * mechanism.steps,
        }
        for mechanism in policy.mechanisms
    ]
    _compare("mechanism.noise", [noise.model_dump() for noise in report.mechanism.noise], expected)
    return "noise, clipping, sampling and steps are those of the policy"


def _check_claim(claim: Claim, policy: Policy) -> None:
    if claim.unit == "frame":
        raise VerificationError("A claim for single frames follows from no policy")
    spends = claim_spends(policy, claim.unit, claim.observer == "server")
    epsilon = epsilon_of(spends, policy.delta)
    profile = curves.profile(spends)
    where = f"claims: {claim.unit} against {claim.observer}"
    _compare(
        where,
        {
            "epsilon": claim.epsilon,
            "epsilon_without_amplification": claim.epsilon_without_amplification,
            "delta": claim.delta,
            "mu": claim.mu,
            "advantage": claim.advantage,
            "curve": [point.model_dump() for point in claim.curve],
            "trade_off": [point.model_dump() for point in claim.trade_off],
        },
        {
            "epsilon": epsilon,
            "epsilon_without_amplification": without_amplification(spends, policy.delta),
            "delta": policy.delta,
            "mu": round(mu_of(spends), 6) if all(spend.q == 1 for spend in spends) else None,
            "advantage": curves.advantage(profile),
            "curve": curves.curve(profile, epsilon),
            "trade_off": curves.trade_off(profile, epsilon),
        },
    )
    if epsilon <= _LARGEST_ASKED and not agree(epsilon, second_epsilon(merged(spends), policy.delta)):
        raise VerificationError(f"Two accountants disagree on the epsilon of {where}")


def _compare(where: str, found: Any, expected: Any) -> None:
    """Raises VerificationError naming the first figure of `expected` that `found` does not have."""
    if isinstance(expected, Mapping):
        for name, value in expected.items():
            _compare(f"{where}.{name}", found.get(name) if isinstance(found, Mapping) else None, value)
    elif isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            raise VerificationError(f"The report's {where} does not have the entries that follow from the evidence")
        for position, value in enumerate(expected):
            _compare(f"{where}[{position}]", found[position], value)
    elif isinstance(expected, float) and isinstance(found, int | float):
        if abs(found - expected) > _CLOSE * max(1.0, abs(expected)):
            raise VerificationError(f"The report's {where} is {found:g}, and {expected:g} follows from the evidence")
    elif found != expected:
        raise VerificationError(f"The report's {where} is {found!r}, and {expected!r} follows from the evidence")
