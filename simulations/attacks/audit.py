"""`fl-sim attack audit`: does the client's own training give away more about a sequence than its policy claims?"""

import dataclasses
import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_server.settings import PolicySettings
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.data.sources import parse_spec
from shared_models.errors import AuditError, UsageError
from shared_models.networks.describe import describe_model
from shared_models.networks.starter import initial_model
from shared_models.privacy.accounting import epsilon_at
from shared_models.privacy.claims import Claim, claims_for
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from simulations.attacks.bounds import MuEstimate, OneRunBound, estimate_mu, one_run_bound
from simulations.attacks.for_report import FILE, audit_for_report
from simulations.attacks.trial import Overheard, Progress, overhear
from simulations.populations import Plan, populate, scheme_of
from simulations.result import Stopwatch, claim_rows, versions, write_result

ERROR_RATE = 0.01
"""The probability, at most, with which an honest device is found to violate its claim."""
_TESTS = 4
_SHOWN_ERROR_RATE = 0.05
_DATA_SHARE = 12
"""Of a device's places for sequences, one in so many holds its own; the others are for canaries."""
_FEWEST_CANARIES = 20
_MODEL = "cnn-lstm"


@dataclass(frozen=True)
class AuditOptions:
    """What `fl-sim attack audit` was asked for. `rounds`: the participations of a device's life."""

    data: str
    canaries: int
    rounds: int
    policy: PolicySettings
    trainable: str
    initial: str
    gradients: str
    seed: int


@dataclass(frozen=True)
class Finding:
    """Everything that is held against the claim. `error_rate` is that of each single test."""

    claim: Claim
    mu: MuEstimate
    overheard: Overheard
    error_rate: float

    def one_run(self, error_rate: float) -> OneRunBound:
        return one_run_bound(self.overheard.scores, self.overheard.included, self.claim.delta, error_rate)

    @property
    def violations(self) -> list[str]:
        """The tests that the claim fails: `mu`, `one_run`, `noise_scale`, `noise_correlation`."""
        noise, rate = self.overheard.noise, self.error_rate
        failed = {
            "mu": self.claim.mu is not None and self.mu.lower(rate) > self.claim.mu,
            "one_run": self.claim.epsilon is not None and self.one_run(rate).epsilon > self.claim.epsilon,
            "noise_scale": abs(noise.scale - 1) > noise.scale_limit(rate),
            "noise_correlation": noise.correlation > noise.correlation_limit(rate),
        }
        return [name for name, found in failed.items() if found]


def run_audit(options: AuditOptions, out: Path, progress: Progress) -> dict[str, Any]:
    """Audits and writes `out/audit.json`, see docs/audit.md, and what a report prints of it; returns the former.

    Raises UsageError for a unit other than the sequence or too few canaries; DataError, ModelError or PolicyError
    where the options do not fit.
    """
    _check(options)
    use_one_core()
    watch, spec = Stopwatch(), parse_spec(options.data)
    scheme = scheme_of(spec)
    model, _, _ = initial_model(options.initial, _MODEL, scheme.name, INPUT_SHAPE)
    policy = _policy(options, scheme.name)
    own = max(1, policy.max_sequences // _DATA_SHARE)
    shares = _shares(options.canaries, policy.max_sequences - own)
    plan = Plan(clients=str(len(shares)), per_client=own, alpha=1.0, holdout=0.2, seed=options.seed)
    clients = populate(spec, scheme, plan).clients
    engine = engine_by_name(options.gradients)
    overheard = overhear(model, policy, clients, shares, engine, options.seed, progress)
    finding = judge(policy, overheard)
    result = {
        "data": str(spec),
        "model": describe_model(model, options.trainable) | {"initial": options.initial},
        "engine": engine.name,
        "policy": policy.model_dump(mode="json"),
        "claim": claim_rows([finding.claim])[0] | {"mu": finding.claim.mu},
        **_figures(finding, devices=len(shares)),
        "cost": watch.cost(4 * sum(p.numel() for p in model.trainable(options.trainable).values())),
        "versions": versions(),
        "seed": options.seed,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / "audit.json", result)
    heard, today = finding.overheard, dt.datetime.now(dt.UTC).date()
    printed = audit_for_report(finding.mu, heard.scores, heard.included, policy, engine.name, today)
    write_result(out / FILE, printed.model_dump(mode="json"))
    return result


def judge(policy: Policy, overheard: Overheard) -> Finding:
    """The claim for a sequence against the server, and what was overheard, at an error of ERROR_RATE in all."""
    claim = claims_for(policy, policy.lifetime_rounds, simulated=True)[0]
    return Finding(claim, estimate_mu(overheard.scores, overheard.included), overheard, ERROR_RATE / _TESTS)


def raise_if_violated(result: dict[str, Any]) -> None:
    """Raises AuditError where the verdict of `run_audit` is that the claim is violated."""
    if result["verdict"] == "violated":
        raise AuditError(
            "The audit found more leakage than the claim allows",
            why=f"these tests fail: {', '.join(result['violations'])}",
            fix="Do not run a study with this build; docs/audit.md says what each test looks at",
        )


def _check(options: AuditOptions) -> None:
    if options.policy.unit != "sequence":
        raise UsageError(
            f"The unit '{options.policy.unit}' cannot be audited by canaries",
            why="a canary is one sequence; a participant's claim needs many independent devices, each one trial",
            fix="Audit the unit `sequence`",
        )
    if options.policy.max_sequences < 2:
        raise UsageError("A device of one sequence has no place for a canary", fix="Set max_sequences to 2 or more")
    if options.canaries < _FEWEST_CANARIES:
        raise UsageError(
            f"{options.canaries} canaries prove nothing", fix=f"Plant {_FEWEST_CANARIES} or more; 1000 is the default"
        )


def _policy(options: AuditOptions, scheme: str) -> Policy:
    given = {"participations": options.rounds, "min_rounds_between": 0, "reply_seconds": 0.0}
    settings = options.policy.model_copy(update=given)
    return settings.calibrated(_MODEL, scheme, options.trainable)


def _shares(canaries: int, places: int) -> list[int]:
    """`canaries` on as few devices of so many `places` as there must be, as evenly as can be."""
    devices = -(-canaries // places)
    return [canaries // devices + (number < canaries % devices) for number in range(devices)]


def _figures(finding: Finding, devices: int) -> dict[str, Any]:
    overheard, noise, claim, rate = finding.overheard, finding.overheard.noise, finding.claim, finding.error_rate
    lower, violations = finding.mu.lower(_SHOWN_ERROR_RATE), finding.violations
    return {
        "canaries": {
            "planted": len(overheard.scores),
            "included": int(overheard.included.sum()),
            "devices": devices,
            "clipped": round(overheard.clipped, 4),
        },
        "mu": {
            "estimate": round(finding.mu.value, 4),
            "lower_95": round(lower, 4),
            "epsilon_of_lower_95": _finite(epsilon_at(lower, claim.delta)),
            "tightness": None if claim.mu is None else round(finding.mu.value / claim.mu, 4),
        },
        "one_run": dataclasses.asdict(finding.one_run(_SHOWN_ERROR_RATE)),
        "noise": {
            "scale": round(noise.scale, 4),
            "scale_limit": round(noise.scale_limit(rate), 4),
            "correlation": round(noise.correlation, 4),
            "correlation_limit": round(noise.correlation_limit(rate), 4),
        },
        "error_rate": ERROR_RATE,
        "violations": violations,
        "verdict": "violated" if violations else "consistent",
    }


def _finite(epsilon: float) -> float | None:
    """None for infinity, which JSON does not have."""
    return None if math.isinf(epsilon) else epsilon
