"""Canaries: sequences made to be found again in an upload, each put in or left out by a fair coin."""

from dataclasses import dataclass

import torch
from torch import Tensor

from shared_models.networks.model import EmotionModel
from shared_models.privacy.policy import Policy
from simulations.attacks.directions import sequence_gradients

_OVER = 6.0
"""Canaries' gradients are at least so many clip norms long at the start, and so stay clipped as the model moves."""
_PROBED = 8
_LARGEST_DOUBLING = 10


@dataclass(frozen=True)
class Canaries:
    """Candidates for one device.

    inputs:   (m, V, ...) of the first stage that training changes
    targets:  (m, K), one-hot
    included: (m,) bool, the coins
    """

    inputs: Tensor
    targets: Tensor
    included: Tensor


def plant_canaries(
    model: EmotionModel, policy: Policy, shape: tuple[int, ...], count: int, generator: torch.Generator
) -> Canaries:
    """`count` canaries of `shape`, (V, T, ...), for a device that starts from `model`.

    Below a frozen stage a canary is one feature vector in every frame and view, at right angles to the others', and
    long enough for its gradient to be clipped. Where the encoder is trained it is one picture of random blocks. Its
    label is the class that the model finds least likely, so that its gradient does not fade as the model learns it.
    """
    stage = model.first_trainable_stage(policy.trainable)
    if stage == "encoder":
        inputs = _pictures(shape, count, generator)
    else:
        inputs = _vectors(shape, count, generator)
        inputs = inputs * _length(model, policy, inputs[:_PROBED])
    included = torch.rand(count, generator=generator) < 0.5
    return Canaries(inputs, _unlikely(model, stage, inputs), included)


def _vectors(shape: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    size = shape[-1]
    blocks = [torch.linalg.qr(torch.randn(size, size, generator=generator))[0] for _ in range(-(-count // size))]
    return torch.cat(blocks)[:count].view(count, 1, 1, size).expand(count, *shape)


def _pictures(shape: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    *_, height, width = shape
    blocks = torch.rand(count, 1, height // 4, width // 4, generator=generator)
    pictures = torch.nn.functional.interpolate(blocks, (height, width))
    return pictures.view(count, 1, 1, 1, height, width).expand(count, *shape)


def _length(model: EmotionModel, policy: Policy, units: Tensor) -> float:
    """The least power of two at which every one of `units` has a gradient `_OVER` clip norms long."""
    stage = model.first_trainable_stage(policy.trainable)
    for doubling in range(_LARGEST_DOUBLING):
        inputs = units * 2.0**doubling
        gradients = sequence_gradients(model, policy.trainable, inputs, _unlikely(model, stage, inputs))
        if float(gradients.norm(dim=1).min()) >= _OVER * policy.clip_norm:
            break
    return 2.0**doubling


def _unlikely(model: EmotionModel, stage: str, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        logits = torch.cat([model.run_from(stage, views[:1]) for views in inputs])
    return torch.eye(logits.shape[1])[logits.argmin(1)]
