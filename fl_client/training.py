"""Private training on one device: full-batch DP-SGD on the trainable part of the model."""

import torch
from torch import Tensor

from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import clipped_sum
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy

ENGINE = "loop"
"""How per-sequence gradients are taken: one backward pass for each sequence. Named in every debit."""


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
    deviation = policy.noise_multiplier * policy.clip_norm
    parameters = model.freeze_all_but(policy.trainable)
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    velocity = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    for _ in range(policy.steps):
        total = clipped_sum(model, policy.trainable, inputs, targets, policy.clip_norm)
        for name, gradient in total.items():
            noised = gradient + deviation * noise.normal(gradient.shape)
            velocity[name].mul_(policy.momentum).add_(noised / policy.denominator)
        model.add({name: v.float() for name, v in velocity.items()}, scale=-policy.learning_rate)
    return {name: parameter.detach() - before[name] for name, parameter in parameters.items()}
