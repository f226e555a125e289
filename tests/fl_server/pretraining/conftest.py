"""Two classes that a network learns in seconds, and one way to pretrain on them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_server.pretraining import Recipe, pretrain
from fl_server.pretraining.checkpoint import Journal
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model

SHORT = Recipe(frame_epochs=2, sequence_epochs=2, batch=4, views=2)


@pytest.fixture(scope="session")
def bars() -> Callable[..., Sequences]:
    """Two classes: bars that lie, bars that stand; which survives mirroring, light and a lost corner."""

    def make(count: int, frames: int, seed: int, size: int = 16) -> Sequences:
        rng = np.random.default_rng(seed)
        pixels = np.empty((count, frames, 1, size, size), np.uint8)
        for number, sequence in enumerate(pixels):
            stripes = np.where(np.arange(size) // 2 % 2 == number // 2 % 2, 40, 220)
            picture = np.broadcast_to(stripes, (size, size)).T if number % 2 else np.broadcast_to(stripes, (size, size))
            sequence[:, 0] = picture + rng.integers(-20, 20, (frames, size, size))
        targets = np.eye(7, dtype=np.float32)[np.arange(count) % 2]
        digests = tuple(f"{seed:08x}{number:08x}" for number in range(count))
        return Sequences(scheme_by_name("basic-7"), pixels, targets, (None,) * count, digests)

    return make


@dataclasses.dataclass
class Trained:
    model: EmotionModel
    progress: list[tuple[str, int, int]]


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Trained]:
    """Pretrains a fresh cnn-lstm in this process, with a checkpoint in `tmp_path`."""

    def train(data: Sequences, recipe: Recipe = SHORT, seed: int = 1, journal: Journal | None = None) -> Trained:
        torch.manual_seed(seed)
        result = Trained(build_model("cnn-lstm", 7), [])
        journal = journal or Journal(tmp_path / "fresh.checkpoint", "a run")
        try:
            pretrain(result.model, data, recipe, seed, lambda *told: result.progress.append(told), journal)
        finally:
            (tmp_path / "fresh.checkpoint").unlink(missing_ok=True)
        return result

    return train
