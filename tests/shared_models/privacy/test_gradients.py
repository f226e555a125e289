import copy

import pytest
import torch
from torch import Tensor

from shared_models.networks.model import TRAINABLE_PARTS, EmotionModel
from shared_models.networks.registry import _MODELS, build_model
from shared_models.privacy.gradients import clipped_sum

CLASSES, TIME, SIZE = 7, 3, 16
WIDE = 1e9
"""A clip norm that no gradient here reaches."""
OF_PART = {
    "classifier": lambda name: name.startswith("classifier."),
    "head": lambda name: name.startswith(("classifier.", "temporal.")),
    "head+affine": lambda name: name.startswith(("classifier.", "temporal.")) or "norm" in name,
    "all": lambda name: True,
}
each_model = pytest.mark.parametrize("name", _MODELS)
each_part = pytest.mark.parametrize("part", TRAINABLE_PARTS)


def a_model(name: str = "cnn-lstm") -> EmotionModel:
    torch.manual_seed(1)
    return build_model(name, CLASSES)


def some_frames(count: int) -> Tensor:
    """Some sequences are brighter by far, so that gradients differ in size and only a part of them is clipped."""
    generator = torch.Generator().manual_seed(2)
    light = torch.logspace(-3, 0, max(count, 1))[:count].view(-1, 1, 1, 1, 1)
    return light * torch.rand(count, TIME, 1, SIZE, SIZE, generator=generator)


def soft_targets(count: int) -> Tensor:
    return torch.rand(count, CLASSES, generator=torch.Generator().manual_seed(3)).softmax(dim=1)


def inputs_of(model: EmotionModel, part: str, frames: Tensor) -> Tensor:
    with torch.no_grad():
        return model.run_until(model.first_trainable_stage(part), frames)


def gradient_of_one(model: EmotionModel, part: str, frames: Tensor, target: Tensor) -> dict[str, Tensor]:
    """One whole forward and backward pass of a copy in which everything takes gradients."""
    model = copy.deepcopy(model).requires_grad_(True)
    loss = -(target * torch.log_softmax(model(frames.unsqueeze(0)), dim=1)[0]).sum()
    loss.backward()
    return {name: p.grad.double() for name, p in model.named_parameters() if OF_PART[part](name)}


def norm(gradients: dict[str, Tensor]) -> float:
    return float(torch.cat([g.flatten().double() for g in gradients.values()]).norm())


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return norm({name: one[name] - other[name] for name in one})


@each_model
@each_part
def test_the_sum_is_that_of_separate_backward_passes(name: str, part: str) -> None:
    model, frames, targets = a_model(name), some_frames(5), soft_targets(5)
    alone = [gradient_of_one(model, part, *pair) for pair in zip(frames, targets, strict=True)]
    clip_norm = float(torch.tensor([norm(g) for g in alone]).median())
    scales = [min(1.0, clip_norm / norm(g)) for g in alone]
    assert {scale == 1 for scale in scales} == {True, False}

    total = clipped_sum(model, part, inputs_of(model, part, frames), targets, clip_norm)

    expected = {n: sum(s * g[n] for s, g in zip(scales, alone, strict=True)) for n in alone[0]}
    assert difference(total, expected) < 1e-4 * norm(expected)
    assert all(value.dtype == torch.float64 for value in total.values())


@each_model
@each_part
def test_one_sequence_moves_the_sum_by_at_most_the_clip_norm(name: str, part: str) -> None:
    model, frames, targets = a_model(name), some_frames(4), soft_targets(4)
    inputs, clip_norm = inputs_of(model, part, frames), 0.01
    full = clipped_sum(model, part, inputs, targets, clip_norm)
    for left_out in range(4):
        rest = [i for i in range(4) if i != left_out]
        moved = difference(full, clipped_sum(model, part, inputs[rest], targets[rest], clip_norm))
        assert moved <= clip_norm * (1 + 1e-9)
        assert moved > 0.99 * clip_norm  # all are clipped here, so the whole norm is used


def per_frame_sum(model: EmotionModel, frames: Tensor, target: Tensor, clip_norm: float) -> dict[str, Tensor]:
    """The mistake: one sequence's encoder gradient, clipped frame by frame."""
    weights = dict(model.encoder.named_parameters(prefix="encoder"))
    features = model.encoder(frames)
    kept = features.detach().requires_grad_(True)
    loss = -(target * torch.log_softmax(model.run_from("temporal", kept.unsqueeze(0)), dim=1)[0]).sum()
    (by_frame,) = torch.autograd.grad(loss, kept)
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in weights.items()}
    for feature, gradient in zip(features, by_frame, strict=True):
        parts = torch.autograd.grad(feature, list(weights.values()), gradient, retain_graph=True)
        named = {name: part.double() for name, part in zip(weights, parts, strict=True)}
        for name, part in named.items():
            total[name] += part * min(1.0, clip_norm / norm(named))
    return total


@each_model
def test_clipping_frames_would_break_both_promises(name: str) -> None:
    model, frames, targets = a_model(name).requires_grad_(True), some_frames(2)[1:], soft_targets(1)
    clip_norm = 1e-4
    wrong = per_frame_sum(model, frames[0], targets[0], clip_norm)
    right = clipped_sum(model, "all", frames, targets, clip_norm)
    assert norm(wrong) > 1.5 * clip_norm
    assert norm(right) <= clip_norm * (1 + 1e-9)
    assert difference({n: right[n] for n in wrong}, wrong) > 0.5 * clip_norm


@each_model
@each_part
def test_no_sequences_sum_to_zeros_of_the_same_shapes(name: str, part: str) -> None:
    model = a_model(name)
    total = clipped_sum(model, part, torch.empty(0), torch.zeros(0, CLASSES), 1.0)
    assert {n: v.shape for n, v in total.items()} == {
        n: p.shape for n, p in model.named_parameters() if OF_PART[part](n)
    }
    assert norm(total) == 0


@pytest.mark.parametrize("part", ["classifier", "head", "all"])
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_a_sequence_that_is_not_finite_counts_as_nothing(part: str, poison: float) -> None:
    model, targets = a_model(), soft_targets(3)
    inputs = inputs_of(model, part, some_frames(3)).clone()
    inputs[1, 0, 0] = poison
    with_it = clipped_sum(model, part, inputs, targets, 1.0)
    without = clipped_sum(model, part, inputs[[0, 2]], targets[[0, 2]], 1.0)
    assert norm(without) > 0
    assert difference(with_it, without) == 0


def test_targets_are_distributions_not_classes() -> None:
    model = a_model()
    inputs = inputs_of(model, "classifier", some_frames(1))
    corners = [clipped_sum(model, "classifier", inputs, torch.eye(CLASSES)[[i]], WIDE) for i in range(2)]
    mixed = clipped_sum(model, "classifier", inputs, torch.tensor([[0.25, 0.75] + [0.0] * (CLASSES - 2)]), WIDE)
    assert difference(mixed, {n: 0.25 * corners[0][n] + 0.75 * corners[1][n] for n in mixed}) < 1e-6


def test_only_what_is_longer_than_the_clip_norm_is_scaled() -> None:
    model, frames, targets = a_model(), some_frames(1), soft_targets(1)
    inputs = inputs_of(model, "classifier", frames)
    free = clipped_sum(model, "classifier", inputs, targets, WIDE)
    assert difference(free, gradient_of_one(model, "classifier", frames[0], targets[0])) < 1e-6
    assert norm(clipped_sum(model, "classifier", inputs, targets, 0.5 * norm(free))) == pytest.approx(0.5 * norm(free))


def test_the_model_is_left_as_it_was() -> None:
    model = a_model()
    before = copy.deepcopy(model.state_dict())
    clipped_sum(model, "classifier", inputs_of(model, "classifier", some_frames(2)), soft_targets(2), 1.0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
