"""One simulated study of a sweep: what it is, what it needs, and the line of the table that it comes to."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from fl_client.training import Update
from fl_server.aggregation import rule_by_settings
from fl_server.plan.utility import Measured
from shared_models.canonical import canonical_hash
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.data.sources import parse_spec
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.metrics import Metrics
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.policy import Policy
from simulations.availability import availability_of
from simulations.engines.local import LocalDevices, LocalEngine
from simulations.federation import Conduct, Devices
from simulations.populations import BY_SUBJECT, Population, populate, scheme_of
from simulations.populations.traits import traits_of
from simulations.result import versions
from simulations.run import Options, cohort_of, policy_of


@dataclass(frozen=True)
class Point:
    """`settings`: what differs from the defaults beyond the table's other columns, as it was written."""

    options: Options
    algorithm: str
    settings: str

    def __str__(self) -> str:
        options = self.options
        cohort = "" if options.cohort is None else f" of which {options.cohort} a round"
        return (
            f"{options.unit}, epsilon {options.policy.epsilon:g}, {options.plan.clients} clients{cohort},"
            f" {options.rounds} rounds, {options.trainable}, {self.algorithm}, seed {options.plan.seed}"
        )

    @property
    def key(self) -> str:
        """The same for the same study by the same version of Attune; the name of its file."""
        return canonical_hash(_facts(asdict(self)) | {"version": versions()["attune"]})[:24]

    @property
    def group(self) -> str:
        """Points of one group share a population and its features."""
        options = self.options
        rendered = options.data == "synthetic"
        plan = replace(options.plan, clients="") if rendered else options.plan
        shared = asdict(plan) | {"data": options.data, "init": options.initial, "model": options.model}
        return canonical_hash(shared | {"trainable": options.trainable, "views": options.policy.views})

    def policy(self) -> Policy:
        """Raises PolicyError where its numbers make none."""
        return policy_of(self.options, scheme_of(parse_spec(self.options.data)).name)

    def check(self) -> None:
        """Raises PolicyError or UsageError where this cannot be simulated, as far as can be told without the data."""
        options, policy = self.options, self.policy()
        rule_by_settings(options.aggregation, policy)
        availability_of(options.availability, options.plan.seed)
        traits_of(options.plan.traits)
        if options.plan.clients != BY_SUBJECT:
            cohort_of(options, policy, options.plan.count)


class Ground:
    """What the points of one group stand on; what was computed for one of them is there for the next."""

    def __init__(self, first: Point, most: int | None) -> None:
        """most: the most clients that any point of the group has, where they are rendered

        Raises DataError, ModelError or UsageError where the options do not fit.
        """
        options = first.options
        spec = parse_spec(options.data)
        scheme = scheme_of(spec)
        plan = options.plan if most is None else replace(options.plan, clients=str(most))
        torch.manual_seed(plan.seed)  # of random initial weights
        self._model, _, _ = initial_model(options.initial, options.model, scheme.name, INPUT_SHAPE)
        self._population: Population = populate(spec, scheme, plan)
        engine = engine_by_name(options.gradients)
        self._devices = LocalDevices(self._model, self._population.clients, engine, plan.seed)
        self._benchmark = Benchmark(self._population.held_out, options.trainable)
        self._chance = 1 / len(scheme.classes)
        self._before = self._benchmark.score(self._model)
        self._references: dict[str, Metrics] = {}

    def measure(self, point: Point) -> Measured:
        """Trains the point's study, and the same without noise unless another point had the same; scores both."""
        options, policy = point.options, point.policy()
        clients = int(options.plan.clients) if options.plan.clients != BY_SUBJECT else len(self._devices)
        cohort = cohort_of(options, policy, clients)
        reference = self._reference(options, policy, clients, cohort)
        began = time.process_time()  # features are computed, here or for an earlier point
        after, participations = self._train(options, policy, clients, cohort)
        took = time.process_time() - began
        trained = sum(parameter.numel() for parameter in self._model.trainable(options.trainable).values())
        return Measured(
            data=options.data,
            model=options.model,
            scheme=policy.scheme,
            trainable=options.trainable,
            clients=clients,
            sequences=options.plan.per_client,
            rounds=options.rounds,
            steps=policy.steps,
            delta=policy.delta,
            epsilon=policy.epsilon,
            seed=options.plan.seed,
            uar=round(after.uar, 4),
            accuracy=round(after.accuracy, 4),
            uar_before=round(self._before.uar, 4),
            uar_without_noise=round(reference.uar, 4),
            uar_chance=round(self._chance, 4),
            unit="participant" if policy.unit == "participant" else "sequence",
            cohort=cohort,
            algorithm=point.algorithm,
            population=" ".join(options.plan.traits),
            availability=" ".join(options.availability),
            settings=point.settings,
            macro_f1=round(after.macro_f1, 4),
            macro_f1_before=round(self._before.macro_f1, 4),
            macro_f1_without_noise=round(reference.macro_f1, 4),
            participations=participations,
            epsilon_spent=policy.epsilon_after(participations),
            cpu_s=round(took, 2),
            upload_bytes=4 * trained * participations,
        )

    def _train(self, options: Options, policy: Policy, clients: int, cohort: int) -> tuple[Metrics, int]:
        conduct = Conduct(options.aggregation, availability_of(options.availability, options.plan.seed))
        devices = _First(self._devices, clients)
        trained = LocalEngine(self._model, devices, options.plan.seed, conduct).train(policy, options.rounds, cohort)
        return self._benchmark.score(trained.model), trained.participations

    def _reference(self, options: Options, policy: Policy, clients: int, cohort: int) -> Metrics:
        noiseless = policy.without_noise()
        training = noiseless.model_dump(mode="json", exclude={"epsilon", "delta"})
        conduct = [options.aggregation.model_dump(mode="json"), list(options.availability)]
        key = canonical_hash([training, conduct, clients, cohort, options.rounds])
        if key not in self._references:
            self._references[key], _ = self._train(options, noiseless, clients, cohort)
        return self._references[key]


class _First:
    """The first `count` of `devices`."""

    def __init__(self, devices: Devices, count: int) -> None:
        self._devices, self._count = devices, count

    def __len__(self) -> int:
        return self._count

    def updates(self, model: EmotionModel, policy: Policy, round_: int, numbers: Sequence[int]) -> Iterator[Update]:
        return self._devices.updates(model, policy, round_, numbers)


def _facts(value: Any) -> Any:
    """`value` with the models in it as plain JSON."""
    return json.loads(json.dumps(value, default=lambda model: model.model_dump(mode="json")))
