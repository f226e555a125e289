"""The benchmark protocol: one held-out set scores every model the same way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from shared_models.data.sequences import Sequences
from shared_models.data.transforms import to_input
from shared_models.errors import DataError, ModelError
from shared_models.evaluation.metrics import Metrics, score
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel


@dataclass(frozen=True)
class Benchmark:
    """Held-out sequences, scored in their own order and without any randomness.

    part: the part of the model that is trained between scores; what the stages before it make of the sequences is
          computed once
    """

    sequences: Sequences
    part: str = "all"
    _features: FeatureCache = field(default_factory=FeatureCache, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not len(self.sequences):
            raise DataError("The benchmark holds no sequences", fix="Give a data set with at least one sequence")

    def score(self, model: EmotionModel, batch: int = 2) -> Metrics:
        """Scores of `model`, which maps (B, T, 1, H, W) float32 in [0, 1] to (B, K) logits, `batch` at a time.

        A sequence's class is the majority of its votes. The model is left as it was found.
        Raises ModelError where the logits are not finite or not (B, K), DataError where the output is not categorical.
        """
        labels, classes = self.sequences.labels, self.sequences.scheme.classes
        return score(self.probabilities(model, batch), labels, classes, self.sequences.subjects)

    def probabilities(
        self, model: EmotionModel, batch: int = 2, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> np.ndarray:
        """(N, K) float64: what the model's output reads off its logits; of values, the values. Raises as `score`."""
        rows, total = [], len(self.sequences)
        with evaluating(model), torch.inference_mode():
            for start in range(0, total, batch):
                end = min(start + batch, total)
                rows.append(model.output.read(self._logits(model, range(start, end)).double()).numpy())
                progress(end, total)
        return np.concatenate(rows)

    def _logits(self, model: EmotionModel, rows: range) -> torch.Tensor:
        frames = self.sequences.frames[rows.start : rows.stop]
        stage = model.first_trainable_stage(self.part)
        if stage == "encoder":
            logits = model(to_input(frames))
        else:
            named = zip(map(str, rows), frames, strict=True)
            logits = model.run_from(stage, self._features.inputs(model, self.part, named, views=1)[:, 0])
        self._check(model, logits, len(rows))
        return logits

    def _check(self, model: EmotionModel, logits: torch.Tensor, count: int) -> None:
        scheme = self.sequences.scheme
        answer = (*logits.shape, model.output.name)
        if answer != (expected := (count, len(scheme.classes), scheme.output)):
            raise ModelError(
                f"The model does not answer in the label scheme {scheme.name}",
                why=f"logits are {answer}, expected {expected}",
                fix="Use a model trained for this scheme",
            )
        if not torch.isfinite(logits).all():
            raise ModelError(
                "The model's answers are not finite numbers",
                why="its weights have diverged or are damaged",
                fix="Go back to an earlier checkpoint",
            )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode; afterwards each module has its own flag back, for a frozen part may differ from the rest."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
