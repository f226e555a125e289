"""Four classes of striped films: two that stay as they are, and two that differ only in the order of their frames."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fl_server import pretraining
from fl_server.evaluation.compared import Trainer, Training
from fl_server.pretraining import Recipe
from shared_models.data.labels import LabelScheme, scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec

FRAMES, SIZE = 4, 16
COURSES = ("lie lie lie lie", "stand stand stand stand", "lie lie stand stand", "stand stand lie lie")
"""The last two are one another backwards: the set of their frames says nothing."""


@pytest.fixture(scope="session")
def films() -> Callable[..., Sequences]:
    """`count` films, by one person for every four, who are called after `who`."""

    def make(count: int, seed: int, who: str) -> Sequences:
        rng = np.random.default_rng(seed)
        pixels = np.empty((count, FRAMES, 1, SIZE, SIZE), np.uint8)
        for number, film in enumerate(pixels):
            stripes = np.broadcast_to(np.where((np.arange(SIZE) // 2 + number // 4) % 2, 40, 220), (SIZE, SIZE))
            for moment, pose in enumerate(COURSES[number % 4].split()):
                picture = stripes.T if pose == "lie" else stripes
                film[moment, 0] = picture + rng.integers(-20, 20, (SIZE, SIZE))
        targets = np.eye(7, dtype=np.float32)[np.arange(count) % 4]
        digests = tuple(f"{seed:08x}{number:08x}" for number in range(count))
        return Sequences(
            scheme_by_name("basic-7"), pixels, targets, tuple(f"{who}-{n // 4}" for n in range(count)), digests
        )

    return make


@pytest.fixture(scope="session")
def held_out(films: Callable[..., Sequences]) -> Sequences:
    return films(40, 1000, "scores")


@pytest.fixture
def public(films: Callable[..., Sequences], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained on, whatever the data source; the seed chooses among films."""

    def load_public(spec: DataSpec, scheme: LabelScheme, seed: int, progress: object) -> tuple[Sequences, str]:
        return films(48, seed, "learns"), f"films, seed {seed}"

    monkeypatch.setattr(pretraining, "load_public", load_public)


TINY = Recipe(frame_epochs=1, sequence_epochs=1, batch=16, views=1)


@pytest.fixture
def trainer(public: None, held_out: Sequences, tmp_path: Path) -> Callable[..., Trainer]:
    """A trainer in `tmp_path` that notes its progress in `told`."""

    def make(told: list[tuple[str, int, int]] | None = None, stopping: Callable[[], bool] = lambda: False, **how):
        note = (lambda *what: None) if told is None else (lambda *what: told.append(what))
        training = Training("synthetic", **({"recipe": TINY} | how))
        return Trainer(tmp_path / "compared", training, held_out, note, stopping)

    return make
