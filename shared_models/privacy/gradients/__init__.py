"""Clipped sums of per-sequence gradients."""

from typing import Protocol

from torch import Tensor

from shared_models.networks.model import EmotionModel

Gradients = dict[str, Tensor]


class GradientEngine(Protocol):
    name: str

    def clipped_sum(
        self, model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float
    ) -> Gradients: ...
