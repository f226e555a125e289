"""One backward pass for each sequence: the definition, and what every other engine is measured against.

For a model whose frame encoder is trained it is also the fastest way known here, and needs the least memory: a pass
over T frames keeps a processor busy by itself.
"""

import math

import torch
from torch import Tensor

from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import Gradients


def loop_clipped_sum(model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float) -> Gradients:
    """See `GradientEngine.clipped_sum`. Sums are float64, so that rounding stays far below the noise."""
    parameters = model.freeze_all_but(part)
    stage = model.first_trainable_stage(part)
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    for views, target in zip(inputs, targets, strict=True):
        loss = model.output.losses(model.run_from(stage, views), target.expand(len(views), -1)).mean()
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        scale = _scale(gradients, clip_norm)
        if scale > 0:
            for name, gradient in zip(parameters, gradients, strict=True):
                total[name].add_(gradient, alpha=scale)
    return total


def _scale(gradients: tuple[Tensor, ...], clip_norm: float) -> float:
    """min(1, C / norm); 0 for a gradient that is not finite."""
    norm = float(torch.linalg.vector_norm(torch.stack([g.double().norm() for g in gradients])))
    if not math.isfinite(norm):
        return 0.0
    return clip_norm / max(norm, clip_norm)
