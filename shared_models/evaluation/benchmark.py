"""The benchmark protocol: one held-out set scores every model the same way."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from shared_models.data.sequences import Sequences
from shared_models.data.transforms import to_input
from shared_models.errors import DataError, ModelError
from shared_models.evaluation.metrics import Metrics, score


@dataclass(frozen=True)
class Benchmark:
    """Held-out sequences, scored in their own order and without any randomness."""

    sequences: Sequences

    def __post_init__(self) -> None:
        if not len(self.sequences):
            raise DataError("The benchmark holds no sequences", fix="Give a data set with at least one sequence")

    def score(self, model: nn.Module, batch: int = 64) -> Metrics:
        """Scores of `model`, which maps (B, T, 1, H, W) float32 in [0, 1] to (B, K) logits.

        A sequence's class is the majority of its votes. The model is left as it was found.
        Raises ModelError where the logits are not finite or not (B, K).
        """
        probabilities = self._probabilities(model, batch)
        return score(probabilities, self.sequences.labels, self.sequences.scheme.classes, self.sequences.subjects)

    def _probabilities(self, model: nn.Module, batch: int) -> np.ndarray:
        """(N, K) float64."""
        rows = []
        with _evaluating(model), torch.inference_mode():
            for start in range(0, len(self.sequences), batch):
                frames = self.sequences.frames[start : start + batch]
                logits = model(to_input(frames))
                self._check(logits, len(frames))
                rows.append(logits.double().softmax(dim=1).numpy())
        return np.concatenate(rows)

    def _check(self, logits: torch.Tensor, count: int) -> None:
        expected = (count, len(self.sequences.scheme.classes))
        if tuple(logits.shape) != expected:
            raise ModelError(
                f"The model does not answer in the label scheme {self.sequences.scheme.name}",
                why=f"logits are {tuple(logits.shape)}, expected {expected}",
                fix="Use a model trained for this scheme",
            )
        if not torch.isfinite(logits).all():
            raise ModelError(
                "The model's answers are not finite numbers",
                why="its weights have diverged or are damaged",
                fix="Go back to an earlier checkpoint",
            )


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode; afterwards each module has its own flag back, for a frozen part may differ from the rest."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
