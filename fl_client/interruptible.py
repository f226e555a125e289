"""Training that can be stopped between a few sequences."""

from collections.abc import Callable

from torch import Tensor

from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import GradientEngine, Gradients

_AT_A_TIME = 4
"""Less than half a second's work, also where a CNN is trained; the sums cost no more in pieces."""


class InterruptibleEngine:
    """The sums of `engine`, taken in pieces, before each of which `look_up` is called: what it raises ends the work."""

    def __init__(self, engine: GradientEngine, look_up: Callable[[], None]) -> None:
        self.name = engine.name
        self._engine, self._look_up = engine, look_up

    def clipped_sum(
        self, model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float
    ) -> Gradients:
        """See `GradientEngine.clipped_sum`: a sum over sequences, so that pieces of it add up."""
        total: Gradients = {}
        for some, their_targets in zip(inputs.split(_AT_A_TIME), targets.split(_AT_A_TIME), strict=True):
            self._look_up()
            for name, gradient in self._engine.clipped_sum(model, part, some, their_targets, clip_norm).items():
                total[name] = total[name] + gradient if name in total else gradient
        return total
