"""`fl-sim run`: one population, the private run, and the same run without noise beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_server.server import INPUT_SHAPE
from fl_server.settings import PolicySettings
from shared_models.data.sources import parse_spec
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.metrics import majority_baseline
from shared_models.networks.starter import initial_model
from shared_models.privacy.claims import claims_for
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from simulations.federation import Simulated, simulate
from simulations.populations import Plan, Population, populate, scheme_of, seen_in_pretraining
from simulations.result import Stopwatch, claim_rows, describe_model, versions, write_result

SUMMARY = ("accuracy", "uar", "macro_f1")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """What `fl-sim run` was asked for."""

    data: str
    plan: Plan
    cohort: int | None
    rounds: int
    unit: str
    gradients: str
    policy: PolicySettings
    model: str
    trainable: str
    initial: str
    baseline: bool


def run_simulation(options: Options, out: Path, progress: Progress) -> dict[str, Any]:
    """Runs and writes `out/result.json`, whose form is that of every run; returns it.

    Raises DataError, ModelError, PolicyError or UsageError where the options do not fit.
    """
    use_one_core()
    watch, spec = Stopwatch(), parse_spec(options.data)
    scheme = scheme_of(spec, "basic-7")
    model, header, seen = initial_model(options.initial, options.model, scheme.name, INPUT_SHAPE)
    population = populate(spec, scheme, options.plan)
    policy = _policy(options, scheme.name)
    benchmark = Benchmark(population.held_out, options.trainable)

    def follow(stage: str, chosen: Policy) -> Simulated:
        return simulate(
            model,
            chosen,
            population.clients,
            options.rounds,
            options.cohort or len(population.clients),
            benchmark,
            options.plan.seed,
            engine_by_name(options.gradients),
            lambda done, total: progress(stage, done, total),
        )

    private = follow("non-private" if policy.unit == "none" else "private", policy)
    baselines: dict[str, Any] = {
        "majority": majority_baseline(population.held_out.labels, scheme.classes),
        "non_private": None,
    }
    if options.baseline and policy.unit != "none":
        reference = follow("non-private", policy.without_noise()).after.to_dict()
        baselines["non_private"] = {name: reference[name] for name in SUMMARY}
    trained = model.trainable(options.trainable)
    result = {
        "data": {"spec": str(spec), "split": population.split, "subject_disjoint": population.subject_disjoint},
        "model": describe_model(model, options.trainable)
        | {"initial": options.initial, "training_data": header.training_data},
        "federation": _federation(options, population, policy),
        "initial_metrics": private.before.to_dict(),
        "metrics": private.after.to_dict(),
        "baselines": baselines,
        "claims": claim_rows(
            claims_for(
                policy,
                private.participations,
                simulated=True,
                broken=_broken(population, seen),
                enrolled=len(population.clients),
            )
        ),
        "cost": watch.cost(4 * sum(parameter.numel() for parameter in trained.values())),
        "versions": versions(),
        "seed": options.plan.seed,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / "result.json", result)
    return result


def _policy(options: Options, scheme: str) -> Policy:
    settings = options.policy.model_copy(update={"participations": options.rounds, "reply_seconds": 0.0})
    policy = settings.calibrated(options.model, scheme, options.trainable)
    return policy.without_noise() if options.unit == "none" else policy


def _federation(options: Options, population: Population, policy: Policy) -> dict[str, Any]:
    sizes = [len(client) for client in population.clients]
    return {
        "clients": len(sizes),
        "sequences_per_client": [min(sizes), max(sizes)],
        "cohort": options.cohort or len(sizes),
        "rounds": options.rounds,
        "policy": policy.model_dump(mode="json"),
    }


def _broken(population: Population, seen: frozenset[str]) -> str | None:
    shared = seen_in_pretraining(population.clients, seen)
    if not shared:
        return None
    return f"the starting weights were trained without privacy on {shared} of the clients' sequences"
