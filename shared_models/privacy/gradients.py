"""Clipped sums of per-sequence gradients, by one backward pass for each sequence.

One sequence is one example: its T frames share one loss and one gradient, so folding time into the batch, which
would clip frames instead, cannot happen here.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from shared_models.networks.model import EmotionModel

Gradients = dict[str, Tensor]


def clipped_sum(model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float) -> Gradients:
    """Sum over sequences of the loss gradient of trainable part `part`, each scaled to L2 norm at most `clip_norm`.

    inputs:  (B, ...) what `model.run_until(model.first_trainable_stage(part), frames)` returns; B may be 0
    targets: (B, K) float32 distributions over classes

    Adding or removing one sequence changes the sum by at most `clip_norm` (Abadi et al. 2016, algorithm 1).
    Sums are float64, so that rounding stays far below the noise.
    """
    parameters = model.freeze_all_but(part)
    stage = model.first_trainable_stage(part)
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    for i in range(len(inputs)):
        loss = F.cross_entropy(model.run_from(stage, inputs[i : i + 1]), targets[i : i + 1])
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        scale = _scale(gradients, clip_norm)
        if scale > 0:
            for name, gradient in zip(parameters, gradients, strict=True):
                total[name].add_(gradient.double(), alpha=scale)
    return total


def _scale(gradients: tuple[Tensor, ...], clip_norm: float) -> float:
    """min(1, C / norm); 0 for a gradient that is not finite, since nothing bounds it."""
    norm = float(torch.linalg.vector_norm(torch.stack([g.double().norm() for g in gradients])))
    if not math.isfinite(norm):
        return 0.0
    return clip_norm / max(norm, clip_norm)
