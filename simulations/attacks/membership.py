"""`fl-sim attack membership`: was this very sequence trained on? Asked by whoever holds it and the final model."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from scipy.stats import norm

from shared_models.networks.describe import describe_model
from shared_models.privacy.odds import detection_from_epsilon, detection_from_mu
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from simulations.attacks.pool import MembershipOptions, Pool
from simulations.attacks.roc import Figure, auc, detection_at, estimate
from simulations.result import Stopwatch, versions, write_result

WITHOUT = "without_noise"
FALSE_ALARMS = 0.01
Progress = Callable[[str, int, int], None]


def run_membership(options: MembershipOptions, out: Path, progress: Progress) -> dict[str, Any]:
    """Attacks and writes `out/membership.json`, see docs/attacks.md; returns it.

    Raises UsageError where the numbers do not fit; DataError, ModelError or PolicyError where the options do not.
    """
    options.check()
    use_one_core()
    watch = Stopwatch()
    policies = {f"epsilon_{epsilon:g}": options.calibrated(epsilon) for epsilon in options.epsilons}
    without = options.calibrated(max(options.epsilons)).without_noise()
    pools = [Pool(options, seed) for seed in range(options.seed, options.seed + options.pools)]
    cases = {}
    for name, policy in ({WITHOUT: without} | policies).items():
        scored = []
        for number, pool in enumerate(pools, start=1):
            scored.append((pool.scores(policy, partial(progress, f"{name}, pool {number}")), pool.included))
        figures: dict[str, Figure] = {"auc": auc, "tpr_at_1_fpr": partial(detection_at, FALSE_ALARMS)}
        found = {key: asdict(estimate(figure, scored, options.seed)) for key, figure in figures.items()}
        cases[name] = {"noise_multiplier": policy.noise_multiplier, **found, "at_most": _bounds(policy)}
    result = {
        "data": options.data,
        "model": describe_model(pools[0].model, options.trainable) | {"initial": options.initial},
        "federations": {"people": options.people, "per_person": options.per_person, "rounds": options.rounds}
        | {"models": options.models, "pools": options.pools, "policy": without.model_dump(mode="json")},
        "scores": {"members": sum(int(pool.included.sum()) for pool in pools)}
        | {"others": sum(int((~pool.included).sum()) for pool in pools)},
        "cases": cases,
        "cost": watch.cost(4 * sum(p.numel() for p in pools[0].model.trainable(options.trainable).values())),
        "versions": versions(),
        "seed": options.seed,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / "membership.json", result)
    return result


def _bounds(policy: Policy) -> dict[str, float | None]:
    """What no attack on one sequence exceeds, whatever it sees: None without a bound, or without a known one.

    Under mu-GDP the area below the curve Phi(Phi^-1(a) + mu) is Phi(mu / sqrt 2).
    """
    if policy.unit == "none":
        return {"auc": None, "tpr_at_1_fpr": None}
    mu = policy.lifetime_mu
    if mu is None:
        epsilon = policy.epsilon_after(policy.lifetime_rounds)
        return {"auc": None, "tpr_at_1_fpr": detection_from_epsilon(FALSE_ALARMS, epsilon, policy.delta)}
    return {"auc": float(norm.cdf(mu / 2**0.5)), "tpr_at_1_fpr": detection_from_mu(FALSE_ALARMS, mu)}
