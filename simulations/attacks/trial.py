"""A small federation whose every device also holds canaries, run for a policy's whole lifetime and overheard."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fl_client.training import local_update
from fl_server.aggregation import StreamingMean
from shared_models.data.sequences import Sequences
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import GradientEngine
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from shared_models.wire import shapes_of
from simulations.attacks.canaries import Canaries, plant_canaries
from simulations.attacks.directions import Directions, sequence_gradients
from simulations.attacks.residual_noise import ResidualNoise

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Overheard:
    """What the auditor has after the last round.

    scores:   (m,) each canary's projections, summed over rounds, in clip norms
    included: (m,) bool, the coins
    clipped:  the share of canary gradients, over rounds, that were longer than the clip norm
    """

    scores: np.ndarray
    included: np.ndarray
    clipped: float
    noise: ResidualNoise


class _Device:
    def __init__(self, model: EmotionModel, policy: Policy, data: Sequences, canaries: int, seed: int) -> None:
        frames = ((str(row), sequence) for row, sequence in enumerate(data.frames))
        self._inputs = FeatureCache().inputs(model, policy.trainable, frames, policy.views)
        self._targets = torch.from_numpy(data.targets)
        generator = torch.Generator().manual_seed(seed)
        self.canaries: Canaries = plant_canaries(model, policy, self._inputs.shape[1:], canaries, generator)

    def stored(self) -> tuple[Tensor, Tensor]:
        """What the device trains on: its own sequences and the canaries whose coin said so."""
        taken = self.canaries.included
        return self._joined(self.canaries.inputs[taken], self.canaries.targets[taken])

    def known(self) -> tuple[Tensor, Tensor]:
        """What the auditor knows of: everything but the coins. Canaries come last."""
        return self._joined(self.canaries.inputs, self.canaries.targets)

    def _joined(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([self._inputs, inputs]), torch.cat([self._targets, targets])


def overhear(
    model: EmotionModel,
    policy: Policy,
    data: Sequence[Sequences],
    canaries: Sequence[int],
    engine: GradientEngine,
    seed: int,
    progress: Progress = lambda done, total: None,
) -> Overheard:
    """Every device, with its `data` and so many `canaries`, takes part in every round of the policy's lifetime.

    Devices train by the client's own `local_update` and the server's own mean moves the model. The auditor sees every
    global model and every upload, and knows all sequences and labels; the coins alone are unknown. `model` is left as
    it was.
    """
    model = copy.deepcopy(model)
    devices = [
        _Device(model, policy, own, count, seed * 100_003 + number)
        for number, (own, count) in enumerate(zip(data, canaries, strict=True))
    ]
    scores = [np.zeros(count) for count in canaries]
    noise, clipped = ResidualNoise(_upload_deviation(policy), seed), []
    for round_ in range(1, policy.lifetime_rounds + 1):
        mean = StreamingMean(shapes_of(model.trainable(policy.trainable)))
        for number, device in enumerate(devices):
            source = NoiseSource.from_seed(seed, round_, number)
            update = local_update(copy.deepcopy(model), policy, *device.stored(), source, engine)
            mean.add(update)
            total = _sum_of_gradients(update, policy)
            gradients = sequence_gradients(model, policy.trainable, *device.known())
            directions = Directions(gradients)
            scores[number] += directions.project(total)[-canaries[number] :].numpy() / policy.clip_norm
            clipped.append((gradients[-canaries[number] :].norm(dim=1) > policy.clip_norm).float().mean())
            noise.add(directions.residual(total), explained=len(gradients))
            progress((round_ - 1) * len(devices) + number + 1, policy.lifetime_rounds * len(devices))
        model.add(mean.result())
    included = torch.cat([device.canaries.included for device in devices]).numpy()
    return Overheard(np.concatenate(scores), included, float(torch.stack(clipped).mean()), noise)


def _sum_of_gradients(update: dict[str, Tensor], policy: Policy) -> Tensor:
    """(d,) an upload as the noised sum of gradients that it is, weighted over steps by the momentum."""
    flat = torch.cat([change.flatten() for change in update.values()])
    return flat * (-policy.denominator / policy.learning_rate)


def _upload_deviation(policy: Policy) -> float:
    """The standard deviation of the noise in each number of `_sum_of_gradients`, as the policy claims it."""
    weights = policy.step_weights()
    return policy.noise_multiplier * policy.clip_norm * math.sqrt(math.fsum(w * w for w in weights))
