"""A federation in one process: the client's own training and the server's own aggregation, without the wire.

Noise comes from a seed, so a run can be repeated; whoever has the seed can take the noise off. That is why a
simulation's claims are marked `simulated`.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fl_client.training import Update
from fl_server.aggregation import OptimiserState, optimiser_by_settings, rule_by_settings
from fl_server.settings import AggregationSettings
from shared_models.networks.model import EmotionModel
from shared_models.privacy.policy import Policy
from shared_models.wire import shapes_of
from simulations.availability import Always, Availability

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trained:
    """The model after the last round. `participations`: the most rounds that any one device took part in."""

    model: EmotionModel
    participations: int


@dataclass(frozen=True)
class Conduct:
    """How a federation is run beyond its policy: what its server makes of updates, and which devices are there."""

    aggregation: AggregationSettings = field(default_factory=AggregationSettings)
    availability: Availability = field(default_factory=Always)


class Devices(Protocol):
    """Simulated devices, by number from 0. Wherever they run, they train by the client's own code."""

    def __len__(self) -> int: ...

    def updates(self, model: EmotionModel, policy: Policy, round_: int, numbers: Sequence[int]) -> Iterator[Update]:
        """What the devices `numbers` would send in `round_`, in that order; `model` is left as it was."""


class Turns:
    """Whose turn it is in each round: a cohort, drawn by a seed from the devices that are there and may take part.

    A device that has reached the policy's lifetime caps, or whose last round is too recent, takes no part. Every
    engine asks here, so that one seed gives one sequence of cohorts.
    """

    def __init__(
        self,
        devices: int,
        cohort: int,
        policy: Policy,
        seed: int,
        availability: Availability = Always(),
    ) -> None:
        self._cohort, self._policy, self._availability = cohort, policy, availability
        self._rng = np.random.default_rng(seed)
        self._spent, self._rested = np.zeros(devices, dtype=int), np.zeros(devices, dtype=int)

    def take(self, round_: int) -> list[int]:
        """The devices that answer in `round_`, in ascending order. Rounds come in order.

        The round counts among the participations of all that were asked: a device pays before its update leaves.
        """
        may = (self._spent < self._policy.lifetime_rounds) & (self._rested <= round_)
        eligible = np.flatnonzero(may & self._availability.present(round_, len(self._spent)))
        chosen = np.sort(self._rng.permutation(eligible)[: self._cohort])
        self._spent[chosen] += 1
        self._rested[chosen] = round_ + self._policy.min_rounds_between
        return [int(number) for number in chosen[self._availability.answering(round_, chosen)]]

    @property
    def most(self) -> int:
        """The most rounds that any one device has taken part in."""
        return int(self._spent.max(initial=0))


def train(
    model: EmotionModel,
    policy: Policy,
    devices: Devices,
    rounds: int,
    cohort: int,
    seed: int,
    progress: Progress = lambda done, total: None,
    conduct: Conduct = Conduct(),
) -> Trained:
    """`rounds` rounds of `cohort` devices each, from a copy of `model`. The same arguments give the same result.

    A round with fewer answers than the policy's survivors does not count; its devices have paid for it all the same.
    Raises PolicyError where the rule of aggregation voids what the policy claims.
    """
    model, turns = copy.deepcopy(model), Turns(len(devices), cohort, policy, seed, conduct.availability)
    rule, optimiser = rule_by_settings(conduct.aggregation, policy), optimiser_by_settings(conduct.aggregation)
    state, streams = OptimiserState(), conduct.aggregation.rule == "mean"
    for round_ in range(1, rounds + 1):
        answering = turns.take(round_)
        if len(answering) >= policy.min_survivors:
            updates = devices.updates(model, policy, round_, answering)
            change = rule.combine(updates if streams else list(updates), shapes_of(model.trainable(policy.trainable)))
            step, state = optimiser.step(change, state)
            model.add(step)
        progress(round_, rounds)
    return Trained(model, turns.most)
