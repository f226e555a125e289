import numpy as np
import pytest
import torch

from fl_client.training import local_update
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.noise import NoiseSource
from simulations.federation import simulate

SCHEME = scheme_by_name("basic-7")
FAST = engine_by_name("fast")


def sequences(count: int, seed: int) -> Sequences:
    rng = np.random.default_rng(seed)
    targets = np.eye(7, dtype=np.float32)[rng.integers(0, 7, count)]
    frames = rng.integers(0, 256, (count, 3, 1, 48, 48), dtype=np.uint8)
    return Sequences(SCHEME, frames, targets, (None,) * count, ("",) * count)


@pytest.fixture
def clients() -> list[Sequences]:
    return [sequences(3, seed) for seed in range(3)]


@pytest.fixture
def scored() -> Benchmark:
    return Benchmark(sequences(7, 9), "classifier")


def trained(model, policy, clients, rounds, cohort, scored, seed) -> torch.Tensor:
    return weights(simulate(model, policy, clients, rounds, cohort, scored, seed=seed, engine=FAST).model)


def weights(model: EmotionModel) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.trainable("classifier").values()])


def test_a_round_is_the_mean_of_what_the_devices_own_training_sends(model, policy, clients, scored) -> None:
    simulated = simulate(model, policy, clients, 1, len(clients), scored, seed=4, engine=FAST)
    updates = []
    for number, data in enumerate(clients):
        twin = build_model("cnn-lstm", 7).eval()
        twin.load_state_dict(model.state_dict())
        inputs = FeatureCache().inputs(twin, "classifier", [(str(i), f) for i, f in enumerate(data.frames)], 1)
        noise = NoiseSource.from_seed(4, 1, number)
        delta = local_update(twin, policy, inputs, torch.from_numpy(data.targets), noise, FAST)
        updates.append(torch.cat([change.flatten() for change in delta.values()]))
    torch.testing.assert_close(weights(simulated.model), weights(model) + torch.stack(updates).mean(0))


def test_the_same_seed_gives_the_same_model_and_another_one_other_noise(model, policy, clients, scored) -> None:
    first, second = (
        weights(simulate(model, policy, clients, 2, 2, scored, seed=1, engine=FAST).model) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert not torch.allclose(first, trained(model, policy, clients, 2, 2, scored, 2))


def test_nobody_takes_part_more_often_than_the_policy_allows(model, policy, clients, scored) -> None:
    rounds = policy.participations + 2
    simulated = simulate(model, policy, clients, rounds, len(clients), scored, seed=0, engine=FAST)
    assert simulated.participations == policy.participations
    same = simulate(model, policy, clients, policy.participations, len(clients), scored, seed=0, engine=FAST)
    assert torch.equal(weights(simulated.model), weights(same.model)), "spent clients change nothing any more"


def test_without_noise_only_the_noise_is_gone(model, policy, clients, scored) -> None:
    plain = policy.without_noise()
    assert plain.model_dump(exclude={"unit", "noise_multiplier"}) == policy.model_dump(
        exclude={"unit", "noise_multiplier"}
    )
    one, other = (
        weights(simulate(model, plain, clients, 1, 3, scored, seed=seed, engine=FAST).model) for seed in (1, 2)
    )
    torch.testing.assert_close(one, other)


def test_the_model_given_is_left_as_it_was(model, policy, clients, scored) -> None:
    before = weights(model).clone()
    simulate(model, policy, clients, 1, 3, scored, seed=0, engine=FAST)
    assert torch.equal(weights(model), before)


def test_a_round_with_fewer_clients_than_its_survivors_changes_nothing(model, make_policy, clients, scored) -> None:
    policy = make_policy(min_survivors=4)
    simulated = simulate(model, policy, clients, 2, len(clients), scored, seed=0, engine=FAST)
    assert torch.equal(weights(simulated.model), weights(model))
    assert simulated.participations == 2  # the devices have paid all the same


def test_a_client_rests_for_as_many_rounds_as_the_policy_says(model, make_policy, clients, scored) -> None:
    policy = make_policy(min_rounds_between=3, participations=9)
    assert simulate(model, policy, clients, 7, len(clients), scored, seed=0, engine=FAST).participations == 3
