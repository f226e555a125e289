"""One seed's people, and federations of them under any attack and any defence, scored on the same held-out people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fl_server.settings import AggregationSettings, PolicySettings
from shared_models.data.labels import LabelScheme
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.data.sources import parse_spec
from shared_models.errors import UsageError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.gradients import ENGINES, engine_by_name
from shared_models.privacy.policy import Policy
from simulations.attacks.defences import Defence
from simulations.attacks.malice import AlteredClients, Attack, MixedDevices
from simulations.attacks.poisoning import triggered
from simulations.engines.local import LocalDevices
from simulations.federation import Conduct, train
from simulations.populations import Plan, populate, scheme_of

MODEL = "cnn-lstm"
_BATCH = 64
TARGET = "happiness"
"""What the trigger of a backdoor stands for."""
NOBODY = Attack(lambda hand: hand.own, noised=True)


@dataclass(frozen=True)
class Scenario:
    """The federation that is attacked: every device takes part in each of its rounds."""

    data: str
    clients: int
    per_client: int
    rounds: int
    policy: PolicySettings
    aggregation: AggregationSettings
    trainable: str
    initial: str

    @property
    def scheme(self) -> LabelScheme:
        return scheme_of(parse_spec(self.data))

    @property
    def target(self) -> int:
        return self.scheme.classes.index(TARGET)

    def calibrated(self) -> Policy:
        """The policy with its noise. Raises PolicyError where the numbers make none."""
        given = {"participations": self.rounds, "max_sequences": self.per_client, "reply_seconds": 0.0}
        return self.policy.model_copy(update=given).calibrated(MODEL, self.scheme.name, self.trainable)

    def model(self, seed: int) -> EmotionModel:
        """The model to start from. Raises ModelError where there is none."""
        torch.manual_seed(seed)  # of random weights
        return initial_model(self.initial, MODEL, self.scheme.name, INPUT_SHAPE)[0]

    def attackers(self, share: float) -> int:
        """How many devices `share` of them are. Raises UsageError where that is nobody, or leaves no honest one."""
        count = round(share * self.clients) if 0 < share < 1 else 0
        if not 0 < count < self.clients:
            raise UsageError(
                f"{share:g} is no share of attackers among {self.clients} devices",
                why="there must be at least one attacker and one honest device",
                fix=f"Give a share from {1 / self.clients:.2g} to below 1, such as 0.2",
            )
        return count


@dataclass(frozen=True)
class Outcome:
    """Scores from 0 to 1 on held-out people.

    trigger: share of sequences of other classes that are taken for the target once they carry the trigger
    refused: share of the attackers' updates that the server refused; 0 where there was no attacker
    """

    accuracy: float
    macro_f1: float
    trigger: float
    refused: float


class Arena:
    """The people of one seed. What frozen stages make of sequences is computed once for all runs."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario, self._seed = scenario, seed
        self._model = scenario.model(seed)
        self._policy = scenario.calibrated()
        plan = Plan(str(scenario.clients), scenario.per_client, alpha=1.0, holdout=0.2, seed=seed)
        population = populate(parse_spec(scenario.data), scenario.scheme, plan)
        self._clients, held_out = population.clients, population.held_out
        others = np.flatnonzero(held_out.labels != scenario.target)
        self._benchmark = Benchmark(held_out, scenario.trainable)
        self._triggered = Benchmark(triggered(held_out.take(others), scenario.target), scenario.trainable)
        self._honest = self._devices(self._clients)
        self._altered: dict[str, LocalDevices] = {}
        self._order = np.random.default_rng((seed, 7)).permutation(scenario.clients)

    def run(self, defence: Defence, name: str = "", attack: Attack = NOBODY, attackers: int = 0) -> Outcome:
        """One federation in which so many devices do what `attack`, called `name`, says.

        The same devices, in a seeded order, are the first to attack. Raises PolicyError where the rule of the defence
        voids the policy's claim, RoundError where nothing is left to combine.
        """
        devices = MixedDevices(
            self._honest,
            self._storing(name, attack),
            attack,
            frozenset(int(number) for number in self._order[:attackers]),
            defence.norm_bound,
            self._seed,
        )
        conduct = Conduct(defence.aggregation(self._scenario.aggregation))
        policy, cohort = defence.policy(self._policy), self._scenario.clients
        model = train(self._model, policy, devices, self._scenario.rounds, cohort, self._seed, conduct=conduct).model
        scores = self._benchmark.score(model, _BATCH)
        return Outcome(
            accuracy=scores.accuracy,
            macro_f1=scores.macro_f1,
            trigger=self._triggered.score(model, _BATCH).accuracy,
            refused=devices.refused / max(1, devices.sent),
        )

    def _storing(self, name: str, attack: Attack) -> LocalDevices:
        if attack.stores is None:
            return self._honest
        if name not in self._altered:
            self._altered[name] = self._devices(AlteredClients(self._clients, attack.stores))
        return self._altered[name]

    def _devices(self, clients: Sequence[Any]) -> LocalDevices:
        return LocalDevices(self._model, clients, engine_by_name(ENGINES[0]), self._seed)
