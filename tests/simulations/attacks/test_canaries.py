import pytest
import torch

from simulations.attacks.canaries import plant_canaries
from simulations.attacks.directions import Directions, sequence_gradients

torch.set_num_threads(1)


def planted(starter, policy, shape, count=55, seed=0):
    return plant_canaries(starter, policy, shape, count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("part", ["classifier", "head"])
def test_canaries_are_clipped_and_hardly_in_each_others_way(starter, short_policy, part) -> None:
    policy = short_policy(8.0, part)
    canaries = planted(starter, policy, (1, 4, 128))
    gradients = sequence_gradients(starter, part, canaries.inputs, canaries.targets)
    assert float(gradients.norm(dim=1).min()) > 2 * policy.clip_norm
    own = torch.stack([Directions(gradients).project(gradient)[row] for row, gradient in enumerate(gradients)])
    assert float((own / gradients.norm(dim=1)).min()) > 0.8, "most of each is at right angles to all the others"


def test_canaries_are_what_a_device_could_store(starter, short_policy) -> None:
    canaries = planted(starter, short_policy(8.0, "all"), (2, 3, 1, 48, 48), count=4)
    assert canaries.inputs.shape == (4, 2, 3, 1, 48, 48)
    assert 0 <= float(canaries.inputs.min()) <= float(canaries.inputs.max()) <= 1
    assert torch.equal(canaries.targets.sum(1), torch.ones(4))
    assert canaries.targets.unique().tolist() == [0, 1]


def test_coins_are_fair_and_the_seed_s_own(starter, short_policy) -> None:
    policy = short_policy(8.0)
    first, second = (planted(starter, policy, (1, 4, 128), 400, seed) for seed in (0, 1))
    assert 160 < int(first.included.sum()) < 240
    assert 120 < int((first.included == second.included).sum()) < 280
