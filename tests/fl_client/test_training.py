import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fl_client.training import local_update
from shared_models.errors import DataError
from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import GradientEngine, engine_by_name
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy, checked_policy

CLASSES, TIME, STATE = 7, 4, 128
MOST = 6
FAST = engine_by_name("fast")
FIELDS: dict[str, Any] = {
    "unit": "sequence",
    "model": "cnn-lstm",
    "scheme": "basic-7",
    "trainable": "classifier",
    "clip_norm": 0.5,
    "noise_multiplier": 6.0,
    "q": 1.0,
    "views": 1,
    "update_clip": None,
    "update_noise": None,
    "min_survivors": 2,
    "colluders": 1,
    "stack_units": False,
    "epsilon": 8.0,
    "delta": 1e-5,
    "participations": 6,
    "steps": 3,
    "lifetime_steps": 24,
    "min_rounds_between": 0,
    "denominator": 4,
    "max_sequences": MOST,
    "pseudo_labels": False,
    "learning_rate": 0.8,
    "momentum": 0.6,
    "proximal": 0.0,
    "reply_seconds": 0.0,
}
pull = pytest.mark.parametrize("pull", [{"momentum": 0.0, "proximal": 1.0}, {"momentum": 0.5, "proximal": 0.1}])
plans = pytest.mark.parametrize(("steps", "momentum"), [(1, 0.0), (1, 0.9), (4, 0.0), (4, 0.9)])


def a_policy(**changes: Any) -> Policy:
    return checked_policy(FIELDS | changes)


def without_noise(**changes: Any) -> Policy:
    return a_policy(**changes).without_noise()


def states(count: int, size: float = 1.0) -> tuple[Tensor, Tensor]:
    """Inputs of the classifier (count, 1, T, H) and soft targets (count, K), which leave no gradient at zero."""
    generator = torch.Generator().manual_seed(4)
    inputs = size * torch.randn(MOST, 1, TIME, STATE, generator=generator)
    return inputs[:count], (torch.eye(CLASSES)[torch.arange(count) % CLASSES] + 1 / CLASSES) / 2


class FrozenNoise(NoiseSource):
    """The same values for every run; remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__(bytes(range(32)))
        self.asked: list[tuple[float, ...]] = []

    def normal(self, shape) -> Tensor:
        self.asked.append(tuple(shape))
        return super().normal(shape)

    def bernoulli(self, count: int, rate: float) -> Tensor:
        self.asked.append((count, rate))
        return super().bernoulli(count, rate)


class Silence(NoiseSource):
    def normal(self, shape) -> Tensor:
        return torch.zeros(tuple(shape), dtype=torch.float64)


class Watched:
    """An engine that remembers the clipped sum of every step taken, in order, and how many sequences were in it."""

    name = "watched"

    def __init__(self) -> None:
        self.sums: list[dict[str, Tensor]] = []
        self.counts: list[int] = []

    def clipped_sum(self, *given: Any) -> dict[str, Tensor]:
        total = FAST.clipped_sum(*given)
        self.counts.append(len(given[2]))
        self.sums.append({name: value.clone() for name, value in total.items()})
        return total


class WorstCase:
    """Every sequence the policy allows, each as long as it may be, all in one direction, at every step."""

    name = "worst case"

    def clipped_sum(self, model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float):
        total = {name: torch.ones(p.shape, dtype=torch.float64) for name, p in model.trainable(part).items()}
        return {name: value * (MOST * clip_norm / norm(total)) for name, value in total.items()}


def norm(delta: dict[str, Tensor]) -> float:
    return float(torch.cat([value.flatten().double() for value in delta.values()]).norm())


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return norm({name: one[name].double() - other[name].double() for name in one})


def update(
    model: EmotionModel,
    policy: Policy,
    count: int,
    noise: NoiseSource,
    size: float = 1.0,
    engine: GradientEngine = FAST,
) -> dict[str, Tensor]:
    return local_update(copy.deepcopy(model), policy, *states(count, size), noise, engine)


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("size", [1.0, 1e4])
@pytest.mark.parametrize("q", [1.0, 0.5])
def test_a_neighbour_takes_the_same_steps_and_differs_by_at_most_the_clip_norm(
    model: EmotionModel, count: int, size: float, q: float
) -> None:
    """n and n + 1 sequences under the same noise ask for the same draws, and their clipped sums are at most C apart.

    Only the first step starts from equal weights; the next test repeats it from each step's weights.
    """
    policy, asked, taken = a_policy(q=q), [], []
    for held in (count, count + 1):
        noise, engine = FrozenNoise(), Watched()
        update(model, policy, held, noise, size, engine)
        asked.append(noise.asked)
        taken.append(engine)
    assert asked[0] == asked[1]
    assert len(taken[0].sums) == len(taken[1].sums) == policy.steps
    shapes = [tuple(value.shape) for value in taken[0].sums[0].values()]
    assert asked[0] == (shapes if q == 1 else [(MOST, q), *shapes]) * policy.steps
    moved = difference(taken[0].sums[0], taken[1].sums[0])
    assert moved <= policy.clip_norm * (1 + 1e-5)
    assert moved > 0 or q < 1


@pytest.mark.parametrize("count", [0, 1, 5])
def test_at_each_step_from_equal_weights_sums_are_at_most_the_clip_norm_apart(model: EmotionModel, count: int) -> None:
    policy = a_policy(steps=3, learning_rate=5.0)
    one, other = (copy.deepcopy(model) for _ in range(2))
    for step in range(policy.steps):
        engines = Watched(), Watched()
        for held, trained, engine in ((count, one, engines[0]), (count + 1, other, engines[1])):
            local_update(trained, policy.model_copy(update={"steps": 1}), *states(held), FrozenNoise(), engine)
        assert 0 < difference(engines[0].sums[0], engines[1].sums[0]) <= policy.clip_norm * (1 + 1e-5), step
        other.load_state_dict(one.state_dict())


def test_each_sequence_takes_part_with_the_policy_s_rate_drawn_anew_each_step(model: EmotionModel) -> None:
    """4,000 steps of 6: the mean share is off by .011 with probability below 1e-3 where the rate is .3."""
    policy = a_policy(steps=4000, lifetime_steps=4000, participations=1, q=0.3, noise_multiplier=50.0)
    engine = Watched()
    local_update(copy.deepcopy(model), policy, *states(MOST), NoiseSource.from_seed(8), engine)
    assert sum(engine.counts) / (MOST * len(engine.counts)) == pytest.approx(0.3, abs=0.011)
    assert set(engine.counts) == set(range(MOST + 1))


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
    once = local_update(copy.deepcopy(model), policy, inputs, targets, Silence(), FAST)
    twice = local_update(copy.deepcopy(model), policy, inputs.repeat(2, 1, 1, 1), targets.repeat(2, 1), Silence(), FAST)
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
        total = FAST.clipped_sum(other, "classifier", inputs, targets, policy.clip_norm)
        for name, parameter in trained.items():
            noised = total[name] + policy.noise_multiplier * policy.clip_norm * noise.normal(total[name].shape)
            parameter.grad = (noised / policy.denominator).float()
        optimizer.step()
    expected = {name: value.detach() - before[name] for name, value in trained.items()}
    delta = local_update(copy.deepcopy(model), policy, inputs, targets, FrozenNoise(), FAST)
    assert difference(delta, expected) < 1e-4 * norm(expected)


def test_the_proximal_term_is_the_gradient_of_fedprox_s_penalty(model: EmotionModel) -> None:
    """Against torch.optim.SGD on noised gradients and, by autograd, mu / 2 |w - w_round|^2 (Li et al. 2020, (2))."""
    policy = a_policy(steps=4, momentum=0.9, proximal=0.5)
    inputs, targets = states(3)
    other, noise = copy.deepcopy(model), FrozenNoise()
    trained = other.freeze_all_but("classifier")
    optimizer = torch.optim.SGD(trained.values(), policy.learning_rate, policy.momentum)
    before = {name: value.detach().clone() for name, value in trained.items()}
    for _ in range(policy.steps):
        total = FAST.clipped_sum(other, "classifier", inputs, targets, policy.clip_norm)
        optimizer.zero_grad()
        distance = sum((value - before[name]).square().sum() for name, value in trained.items())
        (policy.proximal / 2 * distance).backward()
        for name, parameter in trained.items():
            noised = total[name] + policy.noise_multiplier * policy.clip_norm * noise.normal(total[name].shape)
            parameter.grad += (noised / policy.denominator).float()
        optimizer.step()
    expected = {name: value.detach() - before[name] for name, value in trained.items()}
    delta = local_update(copy.deepcopy(model), policy, inputs, targets, FrozenNoise(), FAST)
    assert difference(delta, expected) < 1e-4 * norm(expected)


@pull
def test_no_update_that_is_pulled_back_is_longer_than_the_bound(model: EmotionModel, pull: dict[str, float]) -> None:
    """The bound weighs steps right: without noise the worst case meets it, and noise stays below."""
    parameters = sum(p.numel() for p in model.trainable("classifier").values())
    quiet, noisy = without_noise(steps=4, **pull), a_policy(steps=4, **pull)
    signal = norm(update(model, quiet, MOST, Silence(), engine=WorstCase()))
    assert signal == pytest.approx(quiet.update_norm_bound(parameters), rel=1e-4)
    assert signal < norm(update(model, noisy, MOST, NoiseSource(), engine=WorstCase()))
    assert norm(update(model, noisy, MOST, NoiseSource(), engine=WorstCase())) <= noisy.update_norm_bound(parameters)


@plans
def test_no_honest_update_is_longer_than_the_bound(model: EmotionModel, steps: int, momentum: float) -> None:
    policy = a_policy(steps=steps, momentum=momentum)
    bound = policy.update_norm_bound(sum(p.numel() for p in model.trainable("classifier").values()))
    for size in (0.0, 1.0, 1e4, 1e30):
        assert norm(update(model, policy, MOST, NoiseSource(), size)) <= bound
    assert norm(update(model, policy, MOST, NoiseSource(), engine=WorstCase())) <= bound


@plans
def test_the_bound_is_no_wider_than_signal_and_noise_make_it(model: EmotionModel, steps: int, momentum: float) -> None:
    parameters = sum(p.numel() for p in model.trainable("classifier").values())
    quiet = without_noise(steps=steps, momentum=momentum)
    signal = norm(update(model, quiet, MOST, Silence(), engine=WorstCase()))
    assert signal == pytest.approx(quiet.update_norm_bound(parameters), rel=1e-4)
    noisy = a_policy(steps=steps, momentum=momentum)
    noise = np.mean(
        [norm(update(model, noisy, 0, NoiseSource.from_seed(s), engine=WorstCase())) - signal for s in range(5)]
    )
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
    delta = local_update(model, policy, inputs[:, None], torch.eye(CLASSES)[:1], NoiseSource(), FAST)
    assert list(delta) == list(model.trainable(part))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in delta)
        if name in delta:
            assert torch.equal(value - before[name], delta[name])
            assert delta[name].dtype == torch.float32


def test_it_learns_when_the_data_outweighs_the_noise(model: EmotionModel) -> None:
    long = {"steps": 30, "lifetime_steps": 30, "participations": 1, "noise_multiplier": 50.0}
    policy = without_noise(**long, denominator=1, learning_rate=0.1, momentum=0.0)
    inputs, targets = states(MOST)
    local_update(model, policy, inputs, targets, NoiseSource(), FAST)
    assert model.run_from("classifier", inputs[:, 0]).argmax(dim=1).tolist() == targets.argmax(dim=1).tolist()


SHARED = {"unit": "participant", "noise_multiplier": 0, "update_clip": 0.05, "update_noise": 3.0}


@pytest.mark.parametrize("size", [0.0, 1.0, 1e30, float("nan")])
def test_a_participant_s_update_is_clipped_as_a_whole(model: EmotionModel, size: float) -> None:
    policy = a_policy(**SHARED, learning_rate=100.0)
    assert norm(update(model, policy, MOST, Silence(), size)) <= policy.update_clip * (1 + 1e-5)
    if size == 1:
        assert norm(update(model, policy, MOST, Silence(), size)) == pytest.approx(policy.update_clip)


def test_an_update_below_the_clip_is_sent_as_it_is(model: EmotionModel) -> None:
    gentle = {"learning_rate": 1e-3}
    clipped = update(model, a_policy(**SHARED, **gentle), MOST, Silence())
    free = update(model, without_noise(**gentle), MOST, Silence())
    assert difference(clipped, free) <= 1e-6 * norm(free)


def test_the_shares_of_the_honest_survivors_add_up_to_the_noise_that_is_claimed(model: EmotionModel) -> None:
    """16 honest devices of 20: about 31,000 sums of 16 normal values, each off by 1.3 % with probability below 1e-3."""
    policy = a_policy(**SHARED | {"min_survivors": 20, "colluders": 4})
    sums = []
    for group in range(30):
        shares = [update(model, policy, 0, NoiseSource.from_seed(group, device)) for device in range(16)]
        sums.append(sum(torch.cat([value.flatten() for value in share.values()]).double() for share in shares))
    assert float(torch.cat(sums).std()) == pytest.approx(3.0 * 0.05, rel=0.013)


def test_stacked_units_add_both_noises(model: EmotionModel) -> None:
    asked = []
    for policy in (a_policy(**SHARED), a_policy(**SHARED | {"noise_multiplier": 6.0, "stack_units": True})):
        noise = FrozenNoise()
        delta = update(model, policy, 0, noise)
        asked.append((norm(delta), noise.asked))
    assert asked[0][1] == asked[1][1]  # the same control flow, whatever is protected
    assert asked[1][0] != asked[0][0]


@pytest.mark.parametrize(
    ("inputs", "targets", "why"),
    [
        (torch.zeros(2, 1, 4, 128), torch.zeros(3, 7), "2 sequences with 3 labels"),
        (torch.zeros(MOST + 1, 1, 4, 128), torch.zeros(MOST + 1, 7), f"at most {MOST}"),
        (torch.zeros(2, 2, 4, 128), torch.zeros(2, 7), "2 views of each, not 1"),
    ],
)
def test_what_does_not_fit_the_policy_is_refused(
    model: EmotionModel, inputs: Tensor, targets: Tensor, why: str
) -> None:
    with pytest.raises(DataError, match=why):
        local_update(model, a_policy(), inputs, targets, NoiseSource(), FAST)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_not_told_to_anybody(model: EmotionModel, poison: float) -> None:
    """A refusal would be an answer to whoever planted weights that only some sequences overflow."""
    inputs, targets = states(3)
    poisoned = inputs.clone()
    poisoned[1] = poison
    policy = without_noise()
    with_it = local_update(copy.deepcopy(model), policy, poisoned, targets, Silence(), FAST)
    without = local_update(copy.deepcopy(model), policy, inputs[[0, 2]], targets[[0, 2]], Silence(), FAST)
    assert norm(without) > 0
    assert difference(with_it, without) == 0
