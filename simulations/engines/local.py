"""The engine without a wire: devices train in this process, one after the other, on features that are kept."""

import copy
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from fl_client.training import Update, local_update
from shared_models.data.sequences import Sequences
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import STAGES, EmotionModel
from shared_models.privacy.gradients import GradientEngine
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from simulations.engines.kept import Kept
from simulations.federation import Conduct, Devices, Progress, Trained, train

KEPT_BYTES = 512 << 20
"""How much of the features of devices a process keeps; the ones that trained longest ago go first."""
Clients = Sequence[Sequences] | Mapping[int, Sequences]
"""Sequences of each device, by its number."""
Examples = tuple[Tensor, Tensor]
"""Inputs (B, V, ...) of the trainable part, and targets (B, K)."""


class LocalEngine:
    """`simulations.federation.train` over devices that are ready; see `Engine`."""

    def __init__(
        self,
        model: EmotionModel,
        devices: Devices,
        seed: int,
        conduct: Conduct = Conduct(),
    ) -> None:
        self._model, self._devices, self._seed, self._conduct = model, devices, seed, conduct

    def train(self, policy: Policy, rounds: int, cohort: int, progress: Progress = lambda done, total: None) -> Trained:
        return train(self._model, policy, self._devices, rounds, cohort, self._seed, progress, self._conduct)


class LocalDevices:
    """See `Devices`. Memory is that of `clients`, of one model, and of KEPT_BYTES of features, for any number of them.

    The stages that a policy does not train must be those of `model`, round after round: features outlive rounds.
    """

    def __init__(
        self,
        model: EmotionModel,
        clients: Clients,
        gradients: GradientEngine,
        seed: int,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._clients = clients
        self._model, self._gradients, self._seed = copy.deepcopy(model), gradients, seed
        self._kept = Kept[tuple[object, ...], Examples](kept_bytes)

    def __len__(self) -> int:
        return len(self._clients)

    def updates(self, model: EmotionModel, policy: Policy, round_: int, numbers: Sequence[int]) -> Iterator[Update]:
        self._model.load_state_dict(model.state_dict())
        for number in numbers:
            inputs, targets = self._examples(number, policy)
            noise = NoiseSource.from_seed(self._seed, round_, number)
            self._copy_trainable(model, policy.trainable)
            yield local_update(self._model, policy, inputs, targets, noise, self._gradients)

    def _copy_trainable(self, model: EmotionModel, part: str) -> None:
        with torch.no_grad():
            for mine, given in zip(self._model.trainable(part).values(), model.trainable(part).values(), strict=True):
                mine.copy_(given)

    def _examples(self, number: int, policy: Policy) -> Examples:
        key = number, policy.trainable, policy.views, policy.max_sequences
        examples = self._kept.get(key)
        if examples is None:
            examples = self._compute(number, policy)
            if self._model.first_trainable_stage(policy.trainable) != STAGES[0]:  # frames become inputs at no cost
                self._kept.put(key, examples, sum(tensor.nbytes for tensor in examples))
        return examples

    def _compute(self, number: int, policy: Policy) -> Examples:
        data = self._clients[number]
        data = data.take(range(min(len(data), policy.max_sequences)))
        frames = ((str(row), sequence) for row, sequence in enumerate(data.frames))
        inputs = FeatureCache().inputs(self._model, policy.trainable, frames, policy.views)
        return inputs, torch.from_numpy(data.targets)
