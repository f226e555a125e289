"""A few devices whose sequences are random pixels, and the weights that training them gives."""

import gc
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import Tensor

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, Sequences
from shared_models.networks.model import EmotionModel

SCHEME = scheme_by_name("basic-7")


def random_sequences(count: int, seed: int) -> Sequences:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, 3, 1, CROP_SIZE, CROP_SIZE), dtype=np.uint8)
    targets = np.eye(7, dtype=np.float32)[rng.integers(0, 7, count)]
    return Sequences(SCHEME, frames, targets, (None,) * count, ("",) * count)


@pytest.fixture(scope="session")
def make_sequences() -> Callable[[int, int], Sequences]:
    """`make_sequences(count, seed)`"""
    return random_sequences


@pytest.fixture
def clients() -> list[Sequences]:
    return [random_sequences(3, seed) for seed in range(3)]


@pytest.fixture
def weights_of() -> Callable[[EmotionModel], Tensor]:
    """All weights of a model, as one vector."""
    return lambda model: torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.fixture
def with_ray() -> Iterator[None]:
    """Skips without Ray. What a slow start of Ray left open is collected here, where it is no later test's fault."""
    if find_spec("ray") is None:
        pytest.skip("the flower engine needs attune[cluster]")
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
