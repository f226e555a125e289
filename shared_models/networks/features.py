"""What the frozen stages of a model make of each sequence: computed once, while their weights stay the same."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from shared_models.data.transforms import to_input
from shared_models.data.views import views_of
from shared_models.errors import DataError
from shared_models.networks.model import STAGES, EmotionModel
from shared_models.networks.weights import weights_hash


class Shelf(Protocol):
    """Where features outlive the process."""

    def get(self, name: str, version: str) -> np.ndarray | None:
        """The features of sequence `name` that were put here under `version`; None where there are none."""

    def put(self, name: str, version: str, features: np.ndarray) -> None: ...


class FeatureCache:
    """Features in memory, by the name of their sequence, and on a shelf where one is given."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf = shelf
        self._version = ""
        self._features: dict[str, Tensor] = {}

    def inputs(self, model: EmotionModel, part: str, sequences: Iterable[tuple[str, np.ndarray]], views: int) -> Tensor:
        """The inputs (B, V, ...) of the first stage that training `part` changes, for `views` views of each sequence.

        sequences: pairs of a name and frames (T, 1, H, W) uint8; none gives a tensor with B = 0

        Raises DataError where sequences differ in shape.
        """
        stage = model.first_trainable_stage(part)
        self._forget_unless(f"{stage}-{views}-{_frozen_hash(model, stage)}")
        rows = [self._of(model, stage, name, frames, views) for name, frames in sequences]
        if len({row.shape for row in rows}) > 1:
            raise DataError(
                "The stored sequences cannot be trained on together",
                why=f"they have {len({row.shape for row in rows})} different shapes",
                fix="Delete the odd ones: `fl-client data list` shows all of them",
            )
        return torch.stack(rows) if rows else torch.empty(0, views)

    def keep_only(self, names: Iterable[str]) -> None:
        """Forgets the features of every other sequence: what was deleted must not live on here."""
        kept = set(names)
        self._features = {name: features for name, features in self._features.items() if name in kept}

    def _of(self, model: EmotionModel, stage: str, name: str, frames: np.ndarray, views: int) -> Tensor:
        if name not in self._features:
            kept = self._shelf.get(name, self._version) if self._shelf else None
            if kept is None:
                with torch.no_grad():
                    kept = model.run_until(stage, views_of(to_input(frames), views)).numpy()
                if self._shelf and stage != STAGES[0]:
                    self._shelf.put(name, self._version, kept)
            self._features[name] = torch.from_numpy(kept)
        return self._features[name]

    def _forget_unless(self, version: str) -> None:
        if version != self._version:
            self._version, self._features = version, {}


def _frozen_hash(model: EmotionModel, stage: str) -> str:
    frozen = tuple(f"{name}." for name in STAGES[: STAGES.index(stage)])
    return weights_hash({name: w for name, w in model.state_dict().items() if name.startswith(frozen)})
