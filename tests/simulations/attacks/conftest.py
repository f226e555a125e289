"""A few devices whose own sequences are pixels of noise, and a policy of a short life."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from fl_server.settings import PolicySettings
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, Sequences
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.calibration import calibrated
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.policy import Policy
from simulations.attacks.trial import Overheard, overhear
from simulations.populations import Population

DEVICES, CANARIES = 10, 55


def noise_sequences(count: int, seed: int) -> Sequences:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, 4, 1, CROP_SIZE, CROP_SIZE), dtype=np.uint8)
    targets = np.eye(7, dtype=np.float32)[rng.integers(0, 7, count)]
    return Sequences(scheme_by_name("basic-7"), frames, targets, (None,) * count, ("",) * count)


@pytest.fixture
def small_population(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of rendered people, which take long."""

    def populate(spec, scheme, plan):
        clients = [noise_sequences(plan.per_client, seed) for seed in range(int(plan.clients))]
        return Population(clients, noise_sequences(40, 99), "noise")

    for module in ("audit", "inversion", "arena", "pool", "table"):
        monkeypatch.setattr(f"simulations.attacks.{module}.populate", populate)


@pytest.fixture(scope="session")
def starter() -> EmotionModel:
    return initial_model("starter", "cnn-lstm", "basic-7", (16, 1, CROP_SIZE, CROP_SIZE))[0]


@pytest.fixture(scope="session")
def short_policy() -> Callable[..., Policy]:
    def build(epsilon: float, trainable: str = "classifier", **changed: object) -> Policy:
        settings = PolicySettings(epsilon=epsilon, participations=2, steps=2, reply_seconds=0.0, **changed)
        return calibrated(**settings.model_dump(), model="cnn-lstm", scheme="basic-7", trainable=trainable)

    return build


@pytest.fixture
def audited(starter: EmotionModel) -> Callable[..., Overheard]:
    """`overhear` on the small federation, with a seed of 0 and the default engine unless others are given."""
    data = [noise_sequences(2, number) for number in range(DEVICES)]
    return partial(overhear, starter, data=data, canaries=[CANARIES] * DEVICES, engine=engine_by_name("fast"), seed=0)
