"""A federation in one process: the client's own training and the server's own aggregation, without the wire.

Noise comes from a seed, so a run can be repeated; whoever has the seed can take the noise off. That is why a
simulation's claims are marked `simulated`.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fl_client.training import Update
from fl_server.aggregation import StreamingMean
from shared_models.networks.model import EmotionModel
from shared_models.privacy.policy import Policy
from shared_models.wire import shapes_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trained:
    """The model after the last round. `participations`: the most rounds that any one device took part in."""

    model: EmotionModel
    participations: int


class Devices(Protocol):
    """Simulated devices, by number from 0. Wherever they run, they train by the client's own code."""

    def __len__(self) -> int: ...

    def updates(self, model: EmotionModel, policy: Policy, round_: int, numbers: Sequence[int]) -> Iterator[Update]:
        """What the devices `numbers` would send in `round_`, in that order; `model` is left as it was."""


class Turns:
    """Whose turn it is in each round: a cohort, drawn by a seed from the devices that may take part.

    A device that has reached the policy's lifetime caps, or whose last round is too recent, takes no part. Every
    engine asks here, so that one seed gives one sequence of cohorts.
    """

    def __init__(self, devices: int, cohort: int, policy: Policy, seed: int) -> None:
        self._cohort, self._policy = cohort, policy
        self._rng = np.random.default_rng(seed)
        self._spent, self._rested = np.zeros(devices, dtype=int), np.zeros(devices, dtype=int)

    def take(self, round_: int) -> list[int]:
        """The devices of `round_`, in ascending order; it counts among their participations. Rounds come in order."""
        eligible = np.flatnonzero((self._spent < self._policy.lifetime_rounds) & (self._rested <= round_))
        chosen = np.sort(self._rng.permutation(eligible)[: self._cohort])
        self._spent[chosen] += 1
        self._rested[chosen] = round_ + self._policy.min_rounds_between
        return [int(number) for number in chosen]

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
) -> Trained:
    """`rounds` rounds of `cohort` devices each, from a copy of `model`. The same arguments give the same result.

    A round with fewer devices than the policy's survivors does not count; they have paid for it all the same.
    """
    model, turns = copy.deepcopy(model), Turns(len(devices), cohort, policy, seed)
    for round_ in range(1, rounds + 1):
        mean = StreamingMean(shapes_of(model.trainable(policy.trainable)))
        for update in devices.updates(model, policy, round_, turns.take(round_)):
            mean.add(update)
        if mean.count >= policy.min_survivors:
            _step(model, mean)
        progress(round_, rounds)
    return Trained(model, turns.most)


def _step(model: EmotionModel, mean: StreamingMean) -> None:
    """What the server does with a round's updates."""
    model.add(mean.result())
