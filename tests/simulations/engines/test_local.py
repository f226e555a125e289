from collections.abc import Sequence

import pytest
import torch

from shared_models.privacy.gradients import engine_by_name
from simulations.engines.local import LocalDevices, LocalEngine

FAST = engine_by_name("fast")


class Asked(Sequence):
    """Clients that are made when asked for; remembers who was."""

    def __init__(self, count, make_sequences):
        self._count, self._make, self.asked = count, make_sequences, []

    def __len__(self):
        return self._count

    def __getitem__(self, number):
        if not 0 <= number < self._count:
            raise IndexError(number)
        self.asked.append(number)
        return self._make(2, number)


@pytest.fixture
def crowd(make_sequences):
    return Asked(10_000, make_sequences)


def test_of_ten_thousand_devices_only_those_of_a_cohort_are_made(model, policy, crowd) -> None:
    LocalEngine(model, LocalDevices(model, crowd, FAST, 0), 0).train(policy, 2, 3)
    assert 3 < len(crowd.asked) <= 6


def test_features_are_kept_up_to_a_bound_and_give_the_same_weights(model, policy, make_sequences, weights_of) -> None:
    """One device has features of 2 x 3 x 128 floats, and targets of 2 x 7."""
    size, trained = 4 * (2 * 3 * 128 + 2 * 7), []
    for kept_bytes, expected in ((2 * size, [0, 1]), (size, [0, 1, 0, 1])):
        asked = Asked(2, make_sequences)
        engine = LocalEngine(model, LocalDevices(model, asked, FAST, 0, kept_bytes), 0)
        trained.append(weights_of(engine.train(policy, 2, 2).model))
        assert asked.asked == expected
    assert torch.equal(*trained)


def test_private_and_noiseless_runs_share_features(model, policy, make_sequences) -> None:
    asked = Asked(2, make_sequences)
    engine = LocalEngine(model, LocalDevices(model, asked, FAST, 0), 0)
    for chosen in (policy, policy.without_noise()):
        engine.train(chosen, 2, 2)
    assert asked.asked == [0, 1]


def test_frames_that_are_trained_on_themselves_are_not_kept(model, make_policy, make_sequences) -> None:
    asked = Asked(2, make_sequences)
    policy = make_policy(trainable="all")
    LocalEngine(model, LocalDevices(model, asked, FAST, 0), 0).train(policy, 2, 2)
    assert asked.asked == [0, 1, 0, 1]


def test_no_more_sequences_are_taken_than_the_policy_allows(model, make_policy, make_sequences, weights_of) -> None:
    long, short = [make_sequences(5, 0)], [make_sequences(5, 0).take(range(2))]
    policy = make_policy(max_sequences=2, min_survivors=1, colluders=0)
    models = [LocalEngine(model, LocalDevices(model, c, FAST, 0), 0).train(policy, 1, 1).model for c in (long, short)]
    assert torch.equal(*map(weights_of, models))
