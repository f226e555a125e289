"""A federation in one process: the client's own training and the server's own aggregation, without the wire.

Noise comes from a seed, so a run can be repeated; whoever has the seed can take the noise off. That is why a
simulation's claims are marked `simulated`.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fl_client.training import local_update
from fl_server.aggregation import StreamingMean
from shared_models.data.sequences import Sequences
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.metrics import Metrics
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import GradientEngine
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from shared_models.wire import shapes_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Simulated:
    """What a simulated federation came to. `participations`: the most rounds that any one client took part in."""

    model: EmotionModel
    before: Metrics
    after: Metrics
    participations: int


class SimulatedClient:
    """One device's data and its cache of frozen features."""

    def __init__(self, number: int, data: Sequences) -> None:
        self._number, self._data = number, data
        self._features = FeatureCache()

    def update(
        self, model: EmotionModel, policy: Policy, engine: GradientEngine, seed: int, round_: int
    ) -> dict[str, torch.Tensor]:
        """The noised change that this client would send in `round_`; `model` is left as it was."""
        data = self._data.take(np.arange(min(len(self._data), policy.max_sequences)))
        frames = ((str(row), sequence) for row, sequence in enumerate(data.frames))
        inputs = self._features.inputs(model, policy.trainable, frames, policy.views)
        noise = NoiseSource.from_seed(seed, round_, self._number)
        return local_update(copy.deepcopy(model), policy, inputs, torch.from_numpy(data.targets), noise, engine)


def simulate(
    model: EmotionModel,
    policy: Policy,
    clients: Sequence[Sequences],
    rounds: int,
    cohort: int,
    benchmark: Benchmark,
    seed: int,
    engine: GradientEngine,
    progress: Progress = lambda done, total: None,
) -> Simulated:
    """`rounds` rounds of `cohort` clients each, from a copy of `model`. The same arguments give the same result.

    A client that has reached the policy's lifetime caps, or whose last round is too recent, takes no part; a round
    with fewer clients than the policy's survivors does not count.
    """
    model = copy.deepcopy(model)
    before = benchmark.score(model)
    devices = [SimulatedClient(number, data) for number, data in enumerate(clients)]
    spent, rested = np.zeros(len(devices), dtype=int), np.zeros(len(devices), dtype=int)
    rng = np.random.default_rng(seed)
    for round_ in range(1, rounds + 1):
        eligible = np.flatnonzero((spent < policy.lifetime_rounds) & (rested <= round_))
        chosen = np.sort(rng.permutation(eligible)[:cohort])
        mean = StreamingMean(shapes_of(model.trainable(policy.trainable)))
        for number in chosen:
            mean.add(devices[number].update(model, policy, engine, seed, round_))
        spent[chosen] += 1
        rested[chosen] = round_ + policy.min_rounds_between
        if mean.count >= policy.min_survivors:
            model.add(mean.result())
        progress(round_, rounds)
    return Simulated(model, before, benchmark.score(model), int(spent.max(initial=0)))
