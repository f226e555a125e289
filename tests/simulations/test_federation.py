import numpy as np
import pytest
import torch

from fl_client.training import local_update
from shared_models.networks.features import FeatureCache
from shared_models.networks.registry import build_model
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.noise import NoiseSource
from simulations.engines.local import LocalDevices, LocalEngine
from simulations.federation import Trained, Turns

FAST = engine_by_name("fast")


@pytest.fixture
def train(model, clients, policy):
    """`train(rounds=2, seed=1)`: what a federation of the three clients comes to."""

    def train(rounds: int = 1, cohort: int = 3, seed: int = 0, policy=policy, clients=clients) -> Trained:
        return LocalEngine(model, LocalDevices(model, clients, FAST, seed), seed).train(policy, rounds, cohort)

    return train


def test_a_round_is_the_mean_of_what_the_devices_own_training_sends(model, policy, clients, train, weights_of) -> None:
    updates = []
    for number, data in enumerate(clients):
        twin = build_model("cnn-lstm", 7).eval()
        twin.load_state_dict(model.state_dict())
        inputs = FeatureCache().inputs(twin, "classifier", [(str(i), f) for i, f in enumerate(data.frames)], 1)
        noise = NoiseSource.from_seed(4, 1, number)
        local_update(twin, policy, inputs, torch.from_numpy(data.targets), noise, FAST)
        updates.append(weights_of(twin) - weights_of(model))
    torch.testing.assert_close(weights_of(train(seed=4).model), weights_of(model) + torch.stack(updates).mean(0))


def test_the_same_seed_gives_the_same_model_and_another_one_other_noise(train, weights_of) -> None:
    first, second, other = (weights_of(train(2, 2, seed).model) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, other)


def test_nobody_takes_part_more_often_than_the_policy_allows(policy, train, weights_of) -> None:
    trained = train(policy.participations + 2)
    assert trained.participations == policy.participations
    same = train(policy.participations)
    assert torch.equal(weights_of(trained.model), weights_of(same.model)), "spent clients change nothing any more"


def test_without_noise_only_the_noise_is_gone(policy, train, weights_of) -> None:
    plain = policy.without_noise()
    assert plain.model_dump(exclude={"unit", "noise_multiplier"}) == policy.model_dump(
        exclude={"unit", "noise_multiplier"}
    )
    one, other = (weights_of(train(seed=seed, policy=plain).model) for seed in (1, 2))
    torch.testing.assert_close(one, other)


def test_the_model_given_is_left_as_it_was(model, train, weights_of) -> None:
    before = weights_of(model).clone()
    train()
    assert torch.equal(weights_of(model), before)


def test_a_round_with_fewer_clients_than_its_survivors_changes_nothing(model, make_policy, train, weights_of) -> None:
    trained = train(2, policy=make_policy(min_survivors=4))
    assert torch.equal(weights_of(trained.model), weights_of(model))
    assert trained.participations == 2  # the devices have paid all the same


def test_a_client_rests_for_as_many_rounds_as_the_policy_says(make_policy, train) -> None:
    assert train(7, policy=make_policy(min_rounds_between=3, participations=9)).participations == 3


def test_a_client_without_sequences_answers_like_any_other(train, make_sequences, policy, model, weights_of) -> None:
    trained = train(clients=[make_sequences(0, 0)] * 2)
    assert trained.participations == 1
    assert not torch.equal(weights_of(trained.model), weights_of(model)), "its noise was counted"


def test_a_cohort_is_drawn_anew_each_round_and_in_order(policy) -> None:
    turns = Turns(50, 10, policy, seed=0)
    first, second = turns.take(1), turns.take(2)
    assert first == sorted(set(first))
    assert len(first) == len(second) == 10
    assert first != second
    assert turns.most == np.bincount(first + second).max()
