"""Clipped sums of per-sequence gradients, by engines that all give the same numbers.

One sequence is one example: its T frames, and all views of it, share one gradient. Folding time into the batch
would clip frames instead and promise nothing for a sequence.
"""

from typing import Protocol

from torch import Tensor

from shared_models.errors import SettingsError
from shared_models.networks.model import EmotionModel

Gradients = dict[str, Tensor]
"""Sums by parameter name, float64, in the order of `model.trainable(part)`."""
ENGINES = ("fast", "opacus")


class GradientEngine(Protocol):
    """One way to take per-sequence gradients. Its name stands in every debit."""

    name: str

    def clipped_sum(
        self, model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float
    ) -> Gradients:
        """Sum over sequences of the loss gradient of trainable part `part`, each scaled to L2 norm at most `clip_norm`.

        inputs:  (B, V, ...) what the stages before `model.first_trainable_stage(part)` make of V views of each
                 sequence; B may be 0
        targets: (B, K) float32, as the model's output has them: for a categorical one, distributions over classes

        A sequence's gradient is that of its mean loss over views: averaged before clipping (De et al. 2022, "Unlocking
        High-Accuracy Differentially Private Image Classification through Scale", section 3.1). Adding or removing one
        sequence changes the sum by at most `clip_norm` (Abadi et al. 2016, algorithm 1). A gradient that is not finite
        counts as zero, since nothing bounds it. `model` is not changed, but for which of its parameters take
        gradients.
        """


def engine_by_name(name: str) -> GradientEngine:
    """The engine called `name`; raises SettingsError where there is none."""
    if name == "fast":
        from shared_models.privacy.gradients.fast import FastEngine

        return FastEngine()
    if name == "opacus":
        from shared_models.privacy.gradients.reference import OpacusEngine

        return OpacusEngine()
    raise SettingsError(f"There is no gradient engine '{name}'", fix=f"Use one of: {', '.join(ENGINES)}")
