from collections.abc import Iterator

import numpy as np
import pytest
import torch

from shared_models.errors import DataError
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
        inputs = FeatureCache().inputs(model, part, stored("a", "bb"), 1)
        frames = torch.stack([torch.from_numpy(frames).float() / 255 for _, frames in stored("a", "bb")])
        torch.testing.assert_close(inputs[:, 0], model.run_until(stage, frames).detach())
        assert not inputs.requires_grad


def test_features_are_computed_once_while_the_frozen_weights_stay(model: EmotionModel, runs: list[int]) -> None:
    cache = FeatureCache()
    first = cache.inputs(model, "classifier", stored("a", "bb"), 1)
    model.add({"classifier.linear.bias": torch.ones(7)})
    again = cache.inputs(model, "classifier", stored("bb", "a"), 1)
    assert runs == [2, 2]
    assert torch.equal(again, first.flip(0))


@pytest.mark.parametrize("weight", ["encoder.stem.weight", "temporal.lstm.bias_ih_l0"])
def test_features_are_computed_again_when_a_frozen_weight_changes(
    model: EmotionModel, runs: list[int], weight: str
) -> None:
    cache = FeatureCache()
    old = cache.inputs(model, "classifier", stored("a"), 1)
    value = dict(model.named_parameters())[weight]
    model.add({weight: torch.full_like(value, 0.1)})
    new = cache.inputs(model, "classifier", stored("a"), 1)
    assert runs == [2, 2]
    assert not torch.equal(old, new)


def test_another_trainable_part_has_its_own_features(model: EmotionModel) -> None:
    cache = FeatureCache()
    shapes = [cache.inputs(model, part, stored("a"), 1).shape for part in ("classifier", "all", "head", "classifier")]
    assert shapes == [(1, 1, 2, 128), (1, 1, 2, 1, 16, 16), (1, 1, 2, 128), (1, 1, 2, 128)]


def test_batches_are_kept_side_by_side(model: EmotionModel, runs: list[int]) -> None:
    cache = FeatureCache()
    for _ in range(2):
        cache.inputs(model, "classifier", stored("a"), 1)
        cache.inputs(model, "classifier", stored("bb"), 1)
    assert runs == [2, 2]


def test_no_sequences_have_no_features(model: EmotionModel) -> None:
    assert len(FeatureCache().inputs(model, "classifier", [], 1)) == 0


def test_what_was_deleted_is_forgotten_here_too(model: EmotionModel, runs: list[int]) -> None:
    cache = FeatureCache()
    cache.inputs(model, "classifier", stored("kept", "deleted"), 1)
    cache.keep_only(["kept"])
    runs.clear()
    cache.inputs(model, "classifier", stored("kept"), 1)
    assert not runs
    cache.inputs(model, "classifier", stored("deleted"), 1)
    assert len(runs) == 1


class MemoryShelf:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], np.ndarray] = {}

    def get(self, name: str, version: str) -> np.ndarray | None:
        return self.kept.get((name, version))

    def put(self, name: str, version: str, features: np.ndarray) -> None:
        self.kept[name, version] = features


def test_what_lies_on_a_shelf_outlives_the_process(model: EmotionModel, runs: list[int]) -> None:
    shelf = MemoryShelf()
    first = FeatureCache(shelf).inputs(model, "classifier", stored("a"), 1)
    again = FeatureCache(shelf).inputs(model, "classifier", stored("a"), 1)
    assert runs == [2]
    assert torch.equal(first, again)
    model.add({"encoder.stem.weight": torch.ones_like(model.encoder.stem.weight)})
    FeatureCache(shelf).inputs(model, "classifier", stored("a"), 1)
    assert runs == [2, 2]


def test_frames_themselves_are_not_put_on_the_shelf(model: EmotionModel) -> None:
    shelf = MemoryShelf()
    FeatureCache(shelf).inputs(model, "all", stored("a"), 1)
    assert not shelf.kept


def test_views_are_one_sequence_seen_several_times(model: EmotionModel) -> None:
    cache = FeatureCache()
    one, three = (cache.inputs(model, "classifier", stored("a", "bb"), views) for views in (1, 3))
    assert three.shape == (2, 3, 2, 128)
    torch.testing.assert_close(three[:, :1], one)
    assert not torch.allclose(three[:, 1], three[:, 2])


def test_sequences_of_different_shapes_are_refused(model: EmotionModel) -> None:
    odd = ("odd", np.zeros((3, 1, 16, 16), np.uint8))
    with pytest.raises(DataError, match="2 different shapes"):
        FeatureCache().inputs(model, "classifier", [*stored("a"), odd], 1)
