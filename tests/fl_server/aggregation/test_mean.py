"""The mean of all updates, each counting the same, in the memory of one."""

import weakref

import numpy as np
import pytest
import torch

from fl_server.aggregation import StreamingMean


@pytest.fixture
def updates(shapes):
    rng = np.random.default_rng(3)
    return [{name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()} for _ in range(25)]


def test_the_mean_is_the_mean_of_all_whatever_their_order(shapes, updates):
    means = []
    for order in (updates, updates[::-1]):
        mean = StreamingMean(shapes)
        for one in order:
            mean.add({name: torch.from_numpy(change) for name, change in one.items()})
        assert mean.count == 25
        means.append(mean.result())
    for name in shapes:
        exact = np.mean([one[name].astype("f8") for one in updates], axis=0)
        np.testing.assert_array_equal(means[0][name].numpy(), exact.astype("f4"))
        assert torch.equal(means[0][name], means[1][name])
        assert means[0][name].dtype == torch.float32


def test_a_small_update_beside_large_ones_is_not_rounded_away():
    mean = StreamingMean({"w": (1,)})
    for value in (1e8, 1.0, -1e8, 0.0):
        mean.add({"w": torch.tensor([value])})
    assert mean.result()["w"].item() == 0.25


def test_nothing_added_changes_nothing(shapes):
    result = StreamingMean(shapes).result()
    assert {name: tuple(value.shape) for name, value in result.items()} == dict(shapes)
    assert all(not value.any() for value in result.values())


def test_the_mean_keeps_no_update(shapes, updates):
    mean, kept = StreamingMean(shapes), []
    for one in updates:
        tensors = {name: torch.from_numpy(change.copy()) for name, change in one.items()}
        kept += [weakref.ref(tensor) for tensor in tensors.values()]
        mean.add(tensors)
        del tensors
    assert [reference() for reference in kept] == [None] * len(kept)


def test_the_mean_does_not_change_what_it_was_given():
    mean, given = StreamingMean({"w": (2,)}), torch.ones(2)
    mean.add({"w": given})
    mean.add({"w": given})
    assert given.tolist() == [1.0, 1.0]
    assert mean.result()["w"].tolist() == [1.0, 1.0]
