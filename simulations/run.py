"""`fl-sim run`: one population or its folds, the private run, and the same run without noise beside it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from fl_server.aggregation import rule_by_settings
from fl_server.settings import AggregationSettings, PolicySettings
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.data.sources import DataSpec, parse_spec
from shared_models.errors import UsageError
from shared_models.evaluation.baselines import per_person_baseline
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.metrics import Metrics, majority_baseline
from shared_models.evaluation.scores import in_full
from shared_models.networks.describe import describe_model
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.claims import claims_for
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from simulations.availability import availability_of
from simulations.engines import open_engine, require_engine
from simulations.federation import Conduct
from simulations.folds import SUMMARY, fold_populations, over_folds
from simulations.populations import Plan, Population, populate, scheme_of, seen_in_pretraining
from simulations.result import Stopwatch, claim_rows, versions, write_result

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """What `fl-sim run` was asked for.

    folds:     how many parts of the people are held out in turn; 1 for the plan's
    scheme:    a label scheme; None for the one that the data comes in
    survivors: `min_survivors` as a share of the cohort; None for the policy's own number
    """

    data: str
    plan: Plan
    folds: int
    cohort: int | None
    rounds: int
    unit: str
    gradients: str
    policy: PolicySettings
    model: str
    trainable: str
    initial: str
    baseline: bool
    engine: str
    workers: int
    aggregation: AggregationSettings = field(default_factory=AggregationSettings)
    availability: tuple[str, ...] = ()
    scheme: str | None = None
    survivors: float | None = None


@dataclass(frozen=True)
class _Fold:
    """What one population came to. `reference` is the same without noise; `broken`: why nothing can be claimed."""

    before: Metrics
    after: Metrics
    reference: Metrics | None
    majority: dict[str, float]
    per_person: dict[str, float] | None
    participations: int
    sizes: list[int]
    cohort: int
    subject_disjoint: bool | None
    split: str
    broken: str | None


def run_simulation(options: Options, out: Path, progress: Progress) -> dict[str, Any]:
    """Runs and writes `out/result.json`, whose form is that of every run; returns it.

    Raises DataError, ModelError, PolicyError or UsageError where the options do not fit, RoundError where a round
    cannot be completed.
    """
    use_one_core()
    watch, spec = Stopwatch(), parse_spec(options.data)
    scheme = scheme_by_name(options.scheme) if options.scheme else scheme_of(spec)
    torch.manual_seed(options.plan.seed)  # of random initial weights
    model, header, seen = initial_model(options.initial, options.model, scheme.name, INPUT_SHAPE)
    trained = model.trainable(options.trainable)
    require_engine(options.engine)
    conduct = Conduct(options.aggregation, availability_of(options.availability, options.plan.seed))
    _check_before_reading(options, scheme.name)
    populations: Iterator[Population] = (
        iter([populate(spec, scheme, options.plan, progress)])
        if options.folds == 1
        else fold_populations(spec, scheme, options.plan, options.folds, progress)
    )
    first = next(populations)
    policy = policy_of(options, scheme.name, len(first.clients))  # one for all: no fold has fewer clients
    folds = [
        _run_fold(options, model, policy, conduct, population, seen, _named(progress, number, options.folds))
        for number, population in enumerate(chain([first], populations), start=1)
    ]
    result = {
        "data": _data(spec, folds),
        "model": describe_model(model, options.trainable)
        | {"initial": options.initial, "training_data": header.training_data},
        "federation": _federation(options, folds, policy),
        "initial_metrics": over_folds([in_full(fold.before).model_dump() for fold in folds]),
        "metrics": over_folds([in_full(fold.after).model_dump() for fold in folds]),
        "baselines": {
            "majority": over_folds([fold.majority for fold in folds]),
            "per_person": _over_known([fold.per_person for fold in folds]),
            "non_private": _over_known([_summary(fold.reference) for fold in folds]),
        },
        "claims": claim_rows(
            claims_for(
                policy,
                max(fold.participations for fold in folds),
                simulated=True,
                broken=next((fold.broken for fold in folds if fold.broken), None),
                enrolled=max(len(fold.sizes) for fold in folds),
            )
        ),
        "cost": watch.cost(4 * sum(parameter.numel() for parameter in trained.values())),
        "versions": versions(),
        "seed": options.plan.seed,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / "result.json", result)
    return result


def policy_of(options: Options, scheme: str, clients: int | None = None) -> Policy:
    """The policy of the private run, among so many clients where that is known.

    Raises PolicyError where the options make none.
    """
    settings = options.policy.model_copy(update={"participations": options.rounds, "reply_seconds": 0.0})
    if options.survivors is not None and clients is not None:
        share = math.floor(options.survivors * (options.cohort or clients))
        settings = settings.model_copy(update={"min_survivors": max(share, settings.colluders + 1)})
    policy = settings.calibrated(options.model, scheme, options.trainable)
    return policy.without_noise() if options.unit == "none" else policy


def _check_before_reading(options: Options, scheme: str) -> None:
    """Raises PolicyError or UsageError where the options do not fit, as far as can be told without the data."""
    clients = int(options.plan.clients) if options.plan.clients.isdecimal() else 0
    policy = policy_of(options, scheme, clients or None)
    rule_by_settings(options.aggregation, policy)
    if clients:
        cohort_of(options, policy, clients)


def cohort_of(options: Options, policy: Policy, clients: int) -> int:
    """The clients of a round, among so many. Raises UsageError where there are fewer, or no round would count."""
    cohort = clients if options.cohort is None else options.cohort
    if cohort > clients:
        raise UsageError(f"A cohort of {cohort} is larger than the population", why=f"there are {clients} clients")
    if cohort < policy.min_survivors:
        raise UsageError(
            f"No round with {cohort} clients would count",
            why=f"the policy asks for min_survivors = {policy.min_survivors}",
            fix=f"Take a larger cohort, or `--set min_survivors={cohort} --set colluders={cohort - 1}`",
        )
    return cohort


def _run_fold(
    options: Options,
    model: EmotionModel,
    policy: Policy,
    conduct: Conduct,
    population: Population,
    seen: frozenset[str],
    progress: Progress,
) -> _Fold:
    cohort, seed = cohort_of(options, policy, len(population.clients)), options.plan.seed
    held_out = population.held_out
    benchmark = Benchmark(held_out, options.trainable)
    with open_engine(
        options.engine, model, population.clients, seed, options.gradients, options.workers, conduct
    ) as engine:

        def train(stage: str, chosen: Policy) -> tuple[Metrics, int]:
            done = engine.train(chosen, options.rounds, cohort, lambda done, total: progress(stage, done, total))
            return benchmark.score(done.model), done.participations

        noiseless = policy.unit == "none"
        after, participations = train("non-private" if noiseless else "private", policy)
        wanted = options.baseline and not noiseless
        reference = train("non-private", policy.without_noise())[0] if wanted else None
    return _Fold(
        before=benchmark.score(model),
        after=after,
        reference=reference,
        majority=majority_baseline(held_out.labels, held_out.scheme.classes),
        per_person=per_person_baseline(held_out.labels, held_out.scheme.classes, held_out.subjects),
        participations=participations,
        sizes=list(population.sizes),
        cohort=cohort,
        subject_disjoint=population.subject_disjoint,
        split=population.split,
        broken=_broken(population, seen),
    )


def _named(progress: Progress, number: int, folds: int) -> Progress:
    """`progress`, with the fold's number in the names of stages where there are folds."""
    return progress if folds == 1 else lambda stage, done, total: progress(f"{stage}, fold {number}", done, total)


def _data(spec: DataSpec, folds: list[_Fold]) -> dict[str, Any]:
    known = [fold.subject_disjoint for fold in folds]
    return {"spec": str(spec), "split": folds[0].split, "subject_disjoint": None if None in known else all(known)}


def _summary(reference: Metrics | None) -> dict[str, float] | None:
    return None if reference is None else {name: getattr(reference, name) for name in SUMMARY}


def _over_known(scores: list[dict[str, float] | None]) -> dict[str, Any] | None:
    """Over the folds; None where they have none of it, which is so in all or in none."""
    known = [score for score in scores if score is not None]
    return over_folds(known) if known else None


def _federation(options: Options, folds: list[_Fold], policy: Policy) -> dict[str, Any]:
    sizes = [size for fold in folds for size in fold.sizes]
    return {
        "clients": max(len(fold.sizes) for fold in folds),
        "sequences_per_client": [min(sizes), max(sizes)],
        "cohort": max(fold.cohort for fold in folds),
        "rounds": options.rounds,
        "engine": options.engine,
        "population": list(options.plan.traits),
        "availability": list(options.availability),
        "aggregation": options.aggregation.model_dump(mode="json"),
        "policy": policy.model_dump(mode="json"),
    }


def _broken(population: Population, seen: frozenset[str]) -> str | None:
    shared = seen_in_pretraining(population.clients, seen)
    if not shared:
        return None
    return f"the starting weights were trained without privacy on {shared} of the clients' sequences"
