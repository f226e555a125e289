"""Server optimisers against numbers worked out by hand, and against the arithmetic of Flower's own strategies."""

import itertools

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAdam as FlowerFedAdam
from flwr.serverapp.strategy import FedAvgM as FlowerFedAvgM
from safetensors.torch import load, save

from fl_server.aggregation import optimiser_by_settings
from fl_server.settings import AggregationSettings

OPTIMISERS = ("fedavg", "fedavgm", "fedadam")
CHANGES = [[1.0, -2.0], [0.5, 0.0], [-1.0, 4.0]]


def steps_of(optimiser, changes):
    state, steps = {}, []
    for change in changes:
        step, state = optimiser.step({"w": torch.as_tensor(change, dtype=torch.float32)}, state)
        steps.append(step["w"].tolist())
    return steps


def by_name(**entries):
    return optimiser_by_settings(AggregationSettings(**entries))


def test_by_default_the_model_moves_by_the_change_itself():
    assert steps_of(by_name(), CHANGES) == CHANGES


def test_the_server_s_rate_scales_a_step():
    assert steps_of(by_name(server_learning_rate=0.5), [[1.0, -2.0]]) == [[0.5, -1.0]]


def test_momentum_by_hand():
    """v = 1, .5 + .5 = 1, -1 + .5 = -.5; and -2, -1, 4 - .5 = 3.5; a step is half of it."""
    momentum = by_name(optimiser="fedavgm", server_momentum=0.5, server_learning_rate=0.5)
    assert steps_of(momentum, CHANGES) == [[0.5, -1.0], [0.5, -0.5], [-0.25, 1.75]]


def test_adam_by_hand():
    """beta1 = beta2 = .5, tau = 1, rate 2; v starts at 1.

    m: .5, .5 -> .5 * .5 + .5 * .5 = .5;  v: .5 + .5 = 1, then .5 + .5 * .25 = .625
    """
    adam = by_name(optimiser="fedadam", server_momentum=0.5, beta2=0.5, tau=1.0, server_learning_rate=2.0)
    first, second = steps_of(adam, [[1.0], [0.5]])
    assert first == pytest.approx([2 * 0.5 / (1 + 1)])
    assert second == pytest.approx([2 * 0.5 / (0.625**0.5 + 1)])


def test_adam_without_change_does_not_move():
    assert steps_of(by_name(optimiser="fedadam"), [[0.0]] * 3) == [[0.0]] * 3


class Reply:
    """One device's answer, as far as Flower's strategies look at it: the model it arrived at."""

    def __init__(self, weights):
        arrays = ArrayRecord({"w": Array(weights)})
        self.content = RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})})

    def has_error(self):
        return False


def model_after(strategy, changes, before_round=lambda round_: None):
    """Where Flower's `strategy` takes a model of zeros when one device answers with each of `changes` in turn."""
    model = np.zeros(2)
    for round_, change in enumerate(changes, 1):
        arrays = ArrayRecord({"w": Array(model)})
        strategy.current_arrays = {"w": model} if isinstance(strategy, FlowerFedAdam) else arrays
        before_round(round_)
        aggregated, _ = strategy.aggregate_train(round_, [Reply(model + np.array(change))])
        model = aggregated["w"].numpy()
    return model


def test_momentum_is_flower_s():
    flower = model_after(FlowerFedAvgM(server_learning_rate=0.3, server_momentum=0.9), CHANGES)
    ours = by_name(optimiser="fedavgm", server_learning_rate=0.3, server_momentum=0.9)
    np.testing.assert_allclose(np.sum(steps_of(ours, CHANGES), axis=0), flower, rtol=1e-6)


def test_adam_is_flower_s_but_for_its_bias_correction_and_start():
    """Flower starts v at 0 and corrects the rate for it; the paper starts at tau^2 and does not."""
    rate, beta1, beta2, tau = 0.1, 0.9, 0.99, 0.05
    strategy = FlowerFedAdam(eta=rate, beta_1=beta1, beta_2=beta2, tau=tau)
    strategy.v_t = {"w": np.full(2, tau**2)}

    def undo_correction(round_):
        strategy.eta = rate * (1 - beta1 ** (round_ + 1)) / np.sqrt(1 - beta2 ** (round_ + 1))

    flower = model_after(strategy, CHANGES, undo_correction)
    ours = by_name(optimiser="fedadam", server_learning_rate=rate, server_momentum=beta1, beta2=beta2, tau=tau)
    np.testing.assert_allclose(np.sum(steps_of(ours, CHANGES), axis=0), flower, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_step_is_a_function_of_what_it_is_given(name):
    optimiser = by_name(optimiser=name)
    change = {"w": torch.tensor([1.0, -2.0])}
    _, state = optimiser.step(change, {})
    kept = {key: value.clone() for key, value in state.items()}
    one, other = optimiser.step(change, state), optimiser.step(change, state)
    assert change["w"].tolist() == [1.0, -2.0]
    assert all(torch.equal(state[key], value) for key, value in kept.items())
    for first, second in zip(one, other, strict=True):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_state_goes_through_a_file_and_on_as_if_nothing_had_been(name):
    optimiser, state, saved = by_name(optimiser=name), {}, {}
    for change in CHANGES:
        weights = {"w": torch.tensor(change), "scale": torch.tensor(change[0])}
        step, state = optimiser.step(weights, state)
        again, after = optimiser.step(weights, saved)
        saved = load(save(after))
        assert all(torch.equal(step[key], again[key]) for key in step)
        assert {key: value.dtype for key, value in step.items()} == dict.fromkeys(weights, torch.float32)


@pytest.mark.parametrize(("name", "other"), [*itertools.permutations(OPTIMISERS, 2)])
def test_another_optimiser_starts_anew(name, other):
    change = {"w": torch.tensor([1.0, -2.0])}
    _, state = by_name(optimiser=other).step(change, {})
    begun, _ = by_name(optimiser=name).step(change, {})
    switched, after = by_name(optimiser=name).step(change, state)
    assert torch.equal(switched["w"], begun["w"])
    assert all(key.startswith(name) for key in after)
