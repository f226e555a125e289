"""Private training on one device: full-batch DP-SGD on the trainable part, frozen features computed once."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from shared_models.data.transforms import to_input
from shared_models.networks.model import STAGES, EmotionModel
from shared_models.networks.weights import weights_hash
from shared_models.privacy.gradients import clipped_sum
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy

ENGINE = "loop"
"""How per-sequence gradients are taken: one backward pass for each sequence. Named in every debit."""


class FeatureCache:
    """What the frozen stages make of each sequence, kept in memory for as long as both stay the same."""

    def __init__(self) -> None:
        self._frozen = ""
        self._features: dict[str, Tensor] = {}

    def inputs(self, model: EmotionModel, part: str, sequences: Iterable[tuple[str, np.ndarray]]) -> Tensor:
        """The inputs (B, ...) of the first trained stage for pairs (sequence id, frames (T, 1, H, W) uint8).

        An empty store gives a tensor with B = 0.
        """
        stage = model.first_trainable_stage(part)
        self._forget_unless(_frozen_hash(model, stage))
        known, self._features = self._features, {}  # what is no longer stored is forgotten here too
        with torch.no_grad():
            for name, frames in sequences:
                if name not in known:
                    known[name] = model.run_until(stage, to_input(frames[None]))[0]
                self._features[name] = known[name]
        return torch.stack(list(self._features.values())) if self._features else torch.empty(0)

    def _forget_unless(self, frozen: str) -> None:
        if frozen != self._frozen:
            self._frozen, self._features = frozen, {}


def local_update(
    model: EmotionModel, policy: Policy, inputs: Tensor, targets: Tensor, noise: NoiseSource
) -> dict[str, Tensor]:
    """Trains `model` in place by `policy` and returns the change of its trainable part, float32.

    inputs:  (B, ...) as `FeatureCache.inputs` gives them, B at most policy.max_sequences, 0 for an empty store
    targets: (B, K) float32

    Each of policy.steps steps adds N(0, (sigma C)^2) to a sum of which each sequence is at most C: Abadi et al. 2016,
    algorithm 1, with every sequence in every batch. Steps, rates and the denominator are the policy's; B changes
    nothing but the sum.
    """
    clip_norm = policy.clip_norm if policy.unit == "sequence" else None
    deviation = policy.noise_multiplier * policy.clip_norm
    parameters = model.freeze_all_but(policy.trainable)
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    velocity = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    for _ in range(policy.steps):
        total = clipped_sum(model, policy.trainable, inputs, targets, clip_norm)
        for name, gradient in total.items():
            noised = gradient + deviation * noise.normal(gradient.shape)
            velocity[name].mul_(policy.momentum).add_(noised / policy.denominator)
        model.add({name: v.float() for name, v in velocity.items()}, scale=-policy.learning_rate)
    return {name: parameter.detach() - before[name] for name, parameter in parameters.items()}


def _frozen_hash(model: EmotionModel, stage: str) -> str:
    frozen = tuple(f"{name}." for name in STAGES[: STAGES.index(stage)])
    return weights_hash({n: w for n, w in model.state_dict().items() if n.startswith(frozen)})
