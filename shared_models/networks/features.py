"""What the frozen stages of a model make of each sequence: computed once, while their weights stay the same."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from shared_models.data.transforms import to_input
from shared_models.networks.model import STAGES, EmotionModel
from shared_models.networks.weights import weights_hash


class FeatureCache:
    """Features in memory, by the name of their sequence."""

    def __init__(self) -> None:
        self._frozen = ""
        self._features: dict[str, Tensor] = {}

    def inputs(self, model: EmotionModel, part: str, sequences: Iterable[tuple[str, np.ndarray]]) -> Tensor:
        """The inputs (B, ...) of the first stage that training `part` changes.

        sequences: pairs of a name and frames (T, 1, H, W) uint8; none gives a tensor with B = 0
        """
        stage = model.first_trainable_stage(part)
        self._forget_unless(_frozen_hash(model, stage))
        rows = []
        with torch.no_grad():
            for name, frames in sequences:
                if name not in self._features:
                    self._features[name] = model.run_until(stage, to_input(frames[None]))[0]
                rows.append(self._features[name])
        return torch.stack(rows) if rows else torch.empty(0)

    def keep_only(self, names: Iterable[str]) -> None:
        """Forgets the features of every other sequence: what was deleted must not live on here."""
        kept = set(names)
        self._features = {name: features for name, features in self._features.items() if name in kept}

    def _forget_unless(self, frozen: str) -> None:
        if frozen != self._frozen:
            self._frozen, self._features = frozen, {}


def _frozen_hash(model: EmotionModel, stage: str) -> str:
    frozen = tuple(f"{name}." for name in STAGES[: STAGES.index(stage)])
    return weights_hash({name: w for name, w in model.state_dict().items() if name.startswith(frozen)})
