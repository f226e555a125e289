from collections.abc import Iterator

import numpy as np
import pytest
import torch

from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel


@pytest.fixture
def runs(model: EmotionModel) -> Iterator[list[int]]:
    """How many frames the encoder was given, one number a call."""
    seen: list[int] = []
    hook = model.encoder.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
    yield seen
    hook.remove()


def stored(*names: str) -> list[tuple[str, np.ndarray]]:
    return [(name, np.random.default_rng(len(name)).integers(0, 256, (2, 1, 16, 16), np.uint8)) for name in names]


def test_features_are_what_the_frozen_stages_make_of_the_frames(model: EmotionModel) -> None:
    for part, stage in [("classifier", "classifier"), ("head", "temporal"), ("all", "encoder")]:
        inputs = FeatureCache().inputs(model, part, stored("a", "bb"))
        frames = torch.stack([torch.from_numpy(frames).float() / 255 for _, frames in stored("a", "bb")])
        torch.testing.assert_close(inputs, model.run_until(stage, frames).detach())
        assert not inputs.requires_grad


def test_features_are_computed_once_while_the_frozen_weights_stay(model: EmotionModel, runs: list[int]) -> None:
    cache = FeatureCache()
    first = cache.inputs(model, "classifier", stored("a", "bb"))
    model.add({"classifier.linear.bias": torch.ones(7)})
    again = cache.inputs(model, "classifier", stored("bb", "a"))
    assert runs == [2, 2]
    assert torch.equal(again, first.flip(0))


@pytest.mark.parametrize("weight", ["encoder.stem.weight", "temporal.lstm.bias_ih_l0"])
def test_features_are_computed_again_when_a_frozen_weight_changes(
    model: EmotionModel, runs: list[int], weight: str
) -> None:
    cache = FeatureCache()
    old = cache.inputs(model, "classifier", stored("a"))
    value = dict(model.named_parameters())[weight]
    model.add({weight: torch.full_like(value, 0.1)})
    new = cache.inputs(model, "classifier", stored("a"))
    assert runs == [2, 2]
    assert not torch.equal(old, new)


def test_another_trainable_part_has_its_own_features(model: EmotionModel) -> None:
    cache = FeatureCache()
    shapes = [cache.inputs(model, part, stored("a")).shape for part in ("classifier", "all", "head", "classifier")]
    assert shapes == [(1, 2, 128), (1, 2, 1, 16, 16), (1, 2, 128), (1, 2, 128)]


def test_batches_are_kept_side_by_side(model: EmotionModel, runs: list[int]) -> None:
    cache = FeatureCache()
    for _ in range(2):
        cache.inputs(model, "classifier", stored("a"))
        cache.inputs(model, "classifier", stored("bb"))
    assert runs == [2, 2]


def test_no_sequences_have_no_features(model: EmotionModel) -> None:
    assert len(FeatureCache().inputs(model, "classifier", [])) == 0


def test_what_was_deleted_is_forgotten_here_too(model: EmotionModel, runs: list[int]) -> None:
    cache = FeatureCache()
    cache.inputs(model, "classifier", stored("kept", "deleted"))
    cache.keep_only(["kept"])
    runs.clear()
    cache.inputs(model, "classifier", stored("kept"))
    assert not runs
    cache.inputs(model, "classifier", stored("deleted"))
    assert len(runs) == 1
