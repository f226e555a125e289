"""How long, how fast and with which loss to pretrain."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from shared_models import losses
from shared_models.errors import UsageError
from shared_models.networks.outputs import CATEGORICAL, Output

Loss = Callable[[Tensor, Tensor], Tensor]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Recipe(BaseModel):
    """Every entry is explained in docs/pretraining.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_epochs: Count = 90
    sequence_epochs: Count = 30
    batch: Count = 64
    frame_rate: Positive = 3e-3
    sequence_rate: Positive = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    smoothing: Share = 0.0
    average_decay: Share = 0.998
    small_share: Share = 0.5
    """Share of the encoder's steps that see frames at two thirds of their size: about half the work a step."""
    views: Count = 2
    """Views of each sequence whose features are computed and kept."""
    max_sequences: Count = 30_000
    """The most sequences that the temporal model is trained on."""
    frame_drop: Share = 0.1
    loss: Literal["cross-entropy", "focal", "margin"] = "cross-entropy"
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    largest_margin: Positive = 0.5
    balance: Share = 0.0
    """Beta of the class-balanced weights; 0 for none."""
    bfloat16: bool = False
    """Whether the encoder's passes are computed in bfloat16; its weights never are."""

    def check_fits(self, output: Output) -> None:
        """Raises UsageError where an entry that is for one class a sequence was changed, and `output` is another."""
        if output is CATEGORICAL:
            return
        for entry in ("loss", "balance", "smoothing"):
            if getattr(self, entry) != getattr(Recipe(), entry):
                raise UsageError(
                    f"The recipe's entry {entry} is for one class a sequence",
                    why=f"the label scheme's output is {output.name}, which has a loss of its own",
                    fix="Leave it out, or choose another label scheme",
                )

    def loss_for(self, targets: np.ndarray, output: Output = CATEGORICAL) -> Loss:
        """The loss of `output` for data with targets (N, K), whose class counts it may use: the data are public."""
        if output is not CATEGORICAL:
            return lambda logits, wanted: output.losses(logits, wanted).mean()
        counts = losses.class_counts(targets)
        weights = losses.balanced_weights(counts, self.balance) if self.balance else None
        margins = losses.rare_margins(counts, self.largest_margin)

        def loss(logits: Tensor, wanted: Tensor) -> Tensor:
            wanted = losses.smoothed(wanted, self.smoothing)
            if self.loss == "focal":
                return losses.focal(logits, wanted, self.focal_gamma, weights)
            if self.loss == "margin":
                return losses.margin(logits, wanted, margins, weights)
            return losses.cross_entropy(logits, wanted, weights)

        return loss


def recipe_with(entries: dict[str, object]) -> Recipe:
    """The usual recipe with some entries changed. Raises UsageError, naming the entry, where one is wrong."""
    try:
        return Recipe.model_validate(entries)
    except ValidationError as error:
        problem = error.errors()[0]
        raise UsageError(
            f"The recipe's entry {'.'.join(map(str, problem['loc']))} is wrong",
            why=problem["msg"],
            fix="See docs/pretraining.md",
        ) from error
