import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fl_client import training
from fl_client.training import local_update
from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import clipped_sum
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy, checked_policy

CLASSES, TIME, STATE = 7, 4, 128
MOST = 6
FIELDS: dict[str, Any] = {
    "unit": "sequence",
    "model": "cnn-lstm",
    "scheme": "basic-7",
    "trainable": "classifier",
    "clip_norm": 0.5,
    "noise_multiplier": 6.0,
    "epsilon": 8.0,
    "delta": 1e-5,
    "participations": 6,
    "steps": 3,
    "denominator": 4,
    "max_sequences": MOST,
    "learning_rate": 0.8,
    "momentum": 0.6,
    "reply_seconds": 0.0,
}
plans = pytest.mark.parametrize(("steps", "momentum"), [(1, 0.0), (1, 0.9), (4, 0.0), (4, 0.9)])


def a_policy(**changes: Any) -> Policy:
    return checked_policy(FIELDS | changes)


def without_noise(**changes: Any) -> Policy:
    return a_policy(unit="none", noise_multiplier=0, **changes)


def states(count: int, size: float = 1.0) -> tuple[Tensor, Tensor]:
    """Inputs of the classifier (count, T, H) and soft targets (count, K), which leave no gradient at zero."""
    generator = torch.Generator().manual_seed(4)
    inputs = size * torch.randn(MOST + 1, TIME, STATE, generator=generator)
    return inputs[:count], (torch.eye(CLASSES)[torch.arange(count) % CLASSES] + 1 / CLASSES) / 2


class FrozenNoise(NoiseSource):
    """The same values for every run; remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__(bytes(range(32)))
        self.asked: list[tuple[int, ...]] = []

    def normal(self, shape) -> Tensor:
        self.asked.append(tuple(shape))
        return super().normal(shape)


class Silence(NoiseSource):
    def normal(self, shape) -> Tensor:
        return torch.zeros(tuple(shape), dtype=torch.float64)


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """The clipped sum of every step taken, in order."""
    taken: list[dict[str, Tensor]] = []

    def watched(*args: Any) -> dict[str, Tensor]:
        total = clipped_sum(*args)
        taken.append({name: value.clone() for name, value in total.items()})
        return total

    monkeypatch.setattr(training, "clipped_sum", watched)
    return taken


def norm(delta: dict[str, Tensor]) -> float:
    return float(torch.cat([value.flatten().double() for value in delta.values()]).norm())


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return norm({name: one[name].double() - other[name].double() for name in one})


def update(model: EmotionModel, policy: Policy, count: int, noise: NoiseSource, size: float = 1.0) -> dict[str, Tensor]:
    return local_update(copy.deepcopy(model), policy, *states(count, size), noise)


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_a_neighbour_takes_the_same_steps_and_differs_by_at_most_the_clip_norm(
    model: EmotionModel, sums: list[dict[str, Tensor]], count: int, size: float
) -> None:
    policy, asked = a_policy(), []
    for held in (count, count + 1):
        noise = FrozenNoise()
        update(model, policy, held, noise, size)
        asked.append(noise.asked)
    assert asked[0] == asked[1]
    assert len(sums) == 2 * policy.steps
    shapes = [tuple(value.shape) for value in sums[0].values()]
    assert asked[0] == shapes * policy.steps
    assert 0 < difference(sums[0], sums[policy.steps]) <= policy.clip_norm * (1 + 1e-9)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_in_one_step_an_update_moves_by_at_most_a_clipped_gradient(model: EmotionModel, count: int) -> None:
    policy = a_policy(steps=1)
    one, other = (update(model, policy, held, FrozenNoise(), 100) for held in (count, count + 1))
    most = policy.learning_rate * policy.clip_norm / policy.denominator
    assert 0.1 * most < difference(one, other) <= most * (1 + 1e-5)


def test_the_number_of_sequences_changes_nothing_but_the_sum(model: EmotionModel) -> None:
    """Twice the same data is twice the step: nothing is divided by a private count."""
    policy = without_noise(steps=1, clip_norm=1e6)
    inputs, targets = states(3)
    once = local_update(copy.deepcopy(model), policy, inputs, targets, Silence())
    twice = local_update(copy.deepcopy(model), policy, inputs.repeat(2, 1, 1), targets.repeat(2, 1), Silence())
    assert difference(twice, {name: 2 * value for name, value in once.items()}) < 1e-5 * norm(twice)


@plans
def test_an_empty_store_answers_with_noise_of_the_size_the_policy_says(
    model: EmotionModel, steps: int, momentum: float
) -> None:
    """The noise of step s moves the weights now and, through momentum, in each later step: 1 + m + m^2 + ... times.

    About 31,000 normal values: their standard deviation is off by 1.3 % with probability below 1e-3.
    """
    policy = a_policy(steps=steps, momentum=momentum)
    weights = [sum(momentum**j for j in range(steps - s)) for s in range(steps)]
    one_step = policy.learning_rate / policy.denominator * policy.noise_multiplier * policy.clip_norm
    expected = one_step * math.sqrt(sum(w * w for w in weights))
    values = []
    for seed in range(30):
        delta = update(model, policy, 0, NoiseSource.from_seed(seed))
        values.append(torch.cat([value.flatten() for value in delta.values()]).double())
    drawn = torch.cat(values)
    assert float(drawn.std()) == pytest.approx(expected, rel=0.013)
    assert abs(float(drawn.mean())) < 3.3 * expected / math.sqrt(len(drawn))


@plans
def test_steps_with_momentum_are_those_of_the_textbook(model: EmotionModel, steps: int, momentum: float) -> None:
    """Against torch.optim.SGD on sums of clipped gradients and the same noise."""
    policy = a_policy(steps=steps, momentum=momentum)
    inputs, targets = states(3)
    other, noise = copy.deepcopy(model), FrozenNoise()
    trained = other.freeze_all_but("classifier")
    optimizer = torch.optim.SGD(trained.values(), policy.learning_rate, momentum)
    before = {name: value.detach().clone() for name, value in trained.items()}
    for _ in range(steps):
        total = clipped_sum(other, "classifier", inputs, targets, policy.clip_norm)
        for name, parameter in trained.items():
            noised = total[name] + policy.noise_multiplier * policy.clip_norm * noise.normal(total[name].shape)
            parameter.grad = (noised / policy.denominator).float()
        optimizer.step()
    expected = {name: value.detach() - before[name] for name, value in trained.items()}
    delta = local_update(copy.deepcopy(model), policy, inputs, targets, FrozenNoise())
    assert difference(delta, expected) < 1e-4 * norm(expected)


def worst_case_sum(model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float):
    """Every sequence the policy allows, each as long as it may be, all in one direction, at every step."""
    total = {name: torch.ones(p.shape, dtype=torch.float64) for name, p in model.trainable(part).items()}
    return {name: value * (MOST * clip_norm / norm(total)) for name, value in total.items()}


@plans
def test_no_honest_update_is_longer_than_the_bound(
    model: EmotionModel, monkeypatch: pytest.MonkeyPatch, steps: int, momentum: float
) -> None:
    policy = a_policy(steps=steps, momentum=momentum)
    bound = policy.update_norm_bound(sum(p.numel() for p in model.trainable("classifier").values()))
    for size in (0.0, 1.0, 1e4, 1e30):
        assert norm(update(model, policy, MOST, NoiseSource(), size)) <= bound
    monkeypatch.setattr(training, "clipped_sum", worst_case_sum)
    assert norm(update(model, policy, MOST, NoiseSource())) <= bound


@plans
def test_the_bound_is_no_wider_than_signal_and_noise_make_it(
    model: EmotionModel, monkeypatch: pytest.MonkeyPatch, steps: int, momentum: float
) -> None:
    monkeypatch.setattr(training, "clipped_sum", worst_case_sum)
    parameters = sum(p.numel() for p in model.trainable("classifier").values())
    quiet = without_noise(steps=steps, momentum=momentum)
    signal = norm(update(model, quiet, MOST, Silence()))
    assert signal == pytest.approx(quiet.update_norm_bound(parameters), rel=1e-4)
    noisy = a_policy(steps=steps, momentum=momentum)
    noise = np.mean([norm(update(model, noisy, 0, NoiseSource.from_seed(s))) - signal for s in range(5)])
    both = noisy.update_norm_bound(parameters)
    assert signal + noise < both < signal + 1.4 * noise


def test_without_noise_an_update_depends_on_the_data_alone(model: EmotionModel) -> None:
    one, other = (update(model, without_noise(), 3, NoiseSource()) for _ in range(2))
    assert norm(one) > 0
    assert difference(one, other) == 0
    assert norm(update(model, without_noise(), 0, NoiseSource())) == 0


def test_a_real_source_never_gives_the_same_update_twice(model: EmotionModel) -> None:
    one, other = (update(model, a_policy(), 3, NoiseSource()) for _ in range(2))
    assert all(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("part", ["classifier", "head", "head+affine"])
def test_only_the_trainable_part_changes_and_the_answer_is_that_change(model: EmotionModel, part: str) -> None:
    policy = a_policy(trainable=part, steps=2)
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        inputs = model.run_until(model.first_trainable_stage(part), torch.full((1, 2, 1, 16, 16), 0.3))
    delta = local_update(model, policy, inputs, torch.eye(CLASSES)[:1], NoiseSource())
    assert list(delta) == list(model.trainable(part))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in delta)
        if name in delta:
            assert torch.equal(value - before[name], delta[name])
            assert delta[name].dtype == torch.float32


def test_it_learns_when_the_data_outweighs_the_noise(model: EmotionModel) -> None:
    policy = without_noise(steps=30, denominator=1, learning_rate=0.1, momentum=0.0)
    inputs, targets = states(MOST)
    local_update(model, policy, inputs, targets, NoiseSource())
    assert model.run_from("classifier", inputs).argmax(dim=1).tolist() == targets.argmax(dim=1).tolist()
