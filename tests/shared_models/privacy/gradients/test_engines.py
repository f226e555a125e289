import copy

import pytest
import torch
from opacus.grad_sample import GradSampleModule
from torch import Tensor, nn
from torch.nn import functional as F

from shared_models.errors import ModelError, SettingsError
from shared_models.networks.bidirectional import BiGruStates, BiLstmStates
from shared_models.networks.compact import CompactEncoder
from shared_models.networks.model import TRAINABLE_PARTS, Classifier, EmotionModel, GruStates, LstmStates
from shared_models.networks.names import FAMILY
from shared_models.networks.registry import build_model
from shared_models.privacy.gradients import ENGINES, GradientEngine, Gradients, engine_by_name, fast, reference
from shared_models.privacy.gradients.loop import loop_clipped_sum
from shared_models.privacy.gradients.reference import OpacusEngine

CLASSES, TIME, SIZE = 7, 3, 16
WIDE = 1e9
"""A clip norm that no gradient here reaches."""
each_model = pytest.mark.parametrize("name", ["cnn-lstm", "cnn-gru", "mobilenet-lstm"])
each_part = pytest.mark.parametrize("part", TRAINABLE_PARTS)
each_of_the_family = pytest.mark.parametrize("name", FAMILY)


class States(nn.Module):
    """Any recurrent layer as a temporal model."""

    def __init__(self, recurrent: nn.Module) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, features: Tensor) -> Tensor:
        return self.recurrent(features)[0]


def a_model(name: str = "cnn-lstm") -> EmotionModel:
    torch.manual_seed(1)
    return build_model(name, CLASSES).eval()


def own_model(temporal: nn.Module, states: int = 32, encoder: nn.Module | None = None) -> EmotionModel:
    return EmotionModel("own", encoder or CompactEncoder(), temporal, Classifier(states, CLASSES)).eval()


def some_frames(count: int, views: int = 1) -> Tensor:
    """Some sequences are brighter by far, so that gradients differ in size and only a part of them is clipped."""
    generator = torch.Generator().manual_seed(2)
    light = torch.logspace(-3, 0, max(count, 1))[:count].view(-1, 1, 1, 1, 1, 1)
    return light * torch.rand(count, views, TIME, 1, SIZE, SIZE, generator=generator)


def soft_targets(count: int) -> Tensor:
    return torch.rand(count, CLASSES, generator=torch.Generator().manual_seed(3)).mul(3).softmax(dim=1)


class Loop:
    """The fallback of the fast engine, taken for everything."""

    name = "loop"

    def clipped_sum(self, *given) -> Gradients:
        return loop_clipped_sum(*given)


@pytest.fixture(params=["loop", "fast", "opacus"])
def engine(request: pytest.FixtureRequest) -> GradientEngine:
    return Loop() if request.param == "loop" else engine_by_name(request.param)


def engine_sum(
    engine: GradientEngine, model: EmotionModel, part: str, frames: Tensor, targets: Tensor, clip_norm: float
) -> Gradients:
    stage = model.first_trainable_stage(part)
    with torch.no_grad():
        inputs = torch.stack([model.run_until(stage, view) for view in frames.unbind(1)], dim=1)
    return engine.clipped_sum(model, part, inputs, targets, clip_norm)


def gradient_of_one(model: EmotionModel, part: str, views: Tensor, target: Tensor) -> Gradients:
    """Backward passes of a plain copy, one for each view (T, 1, H, W) of one sequence."""
    plain = copy.deepcopy(model)
    parameters = plain.freeze_all_but(part)
    for view in views:
        loss = -(target * torch.log_softmax(plain(view.unsqueeze(0)), dim=1)[0]).sum()
        (loss / len(views)).backward()
    return {name: parameter.grad.double() for name, parameter in parameters.items()}


def clipped_loop(alone: list[Gradients], clip_norm: float) -> Gradients:
    scales = [min(1.0, clip_norm / norm(gradients)) for gradients in alone]
    return {n: sum(s * g[n] for s, g in zip(scales, alone, strict=True)) for n in alone[0]}


def norm(gradients: Gradients) -> float:
    return float(torch.cat([g.flatten().double() for g in gradients.values()]).norm())


def difference(one: Gradients, other: Gradients) -> float:
    assert list(one) == list(other)
    return norm({name: one[name] - other[name] for name in one})


def agree(one: Gradients, other: Gradients) -> bool:
    return difference(one, other) <= 1e-4 * norm(other)


def check_equality_with_separate_passes(engine: GradientEngine, model: EmotionModel, part: str, views: int) -> None:
    frames, targets = some_frames(3, views), soft_targets(3)
    alone = [gradient_of_one(model, part, *pair) for pair in zip(frames, targets, strict=True)]
    middle = float(torch.tensor([norm(gradients) for gradients in alone]).median())
    for clip_norm in (WIDE, middle, 0.1 * middle):
        total = engine_sum(engine, model, part, frames, targets, clip_norm)
        assert agree(total, clipped_loop(alone, clip_norm))
        assert list(total) == list(model.trainable(part))
        assert all(value.dtype == torch.float64 for value in total.values())


@each_model
@each_part
@pytest.mark.parametrize("views", [1, 2])
def test_the_sum_is_that_of_separate_backward_passes(engine: GradientEngine, name: str, part: str, views: int) -> None:
    check_equality_with_separate_passes(engine, a_model(name), part, views)


@each_of_the_family
def test_every_model_of_the_family_trains_privately(name: str) -> None:
    """By the default engine, part by part; the engines' own tests have the rest."""
    model, (clip_norm, count) = a_model(name), (0.05, 2)
    frames, targets = some_frames(count, views=2), soft_targets(count)
    for part in model.parts:
        alone = [gradient_of_one(model, part, *pair) for pair in zip(frames, targets, strict=True)]
        assert all(clip_norm < norm(gradients) for gradients in alone)
        total = engine_sum(engine_by_name("fast"), model, part, frames, targets, clip_norm)
        assert agree(total, clipped_loop(alone, clip_norm)), part


@each_of_the_family
def test_opacus_has_the_same_gradients_of_every_model_of_the_family(name: str) -> None:
    model = a_model(name)
    part, frames, targets = model.parts[-1], some_frames(2), soft_targets(2)
    fast_sum = engine_sum(engine_by_name("fast"), model, part, frames, targets, 0.05)
    assert agree(engine_sum(OpacusEngine(), model, part, frames, targets, 0.05), fast_sum)


@pytest.mark.parametrize("output", ["multi-label", "levels", "values"])
@pytest.mark.parametrize("name", ["cnn-lstm", "cnn"])
def test_every_output_has_the_same_gradients(engine: GradientEngine, name: str, output: str) -> None:
    """Against losses written out here: sums of binary cross-entropies, half the squared distance."""
    torch.manual_seed(1)
    model = build_model(name, CLASSES, output).eval()
    frames, targets = some_frames(2, views=2), torch.rand(2, CLASSES)

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        if output == "values":
            return 0.5 * (logits - target).pow(2).sum()
        return -(target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)).sum()

    for part in ("classifier", model.parts[1]):
        parameters, alone = model.freeze_all_but(part), []
        for views, target in zip(frames, targets, strict=True):
            mean = torch.stack([loss(model(view[None])[0], target) for view in views]).mean()
            found = torch.autograd.grad(mean, list(parameters.values()))
            alone.append({n: g.double() for n, g in zip(parameters, found, strict=True)})
        assert agree(engine_sum(engine, model, part, frames, targets, 0.05), clipped_loop(alone, 0.05))


def test_a_part_that_a_model_has_not_is_refused_by_every_engine(engine: GradientEngine) -> None:
    with pytest.raises(
        ModelError, match=r"cnn has no trainable part 'head': nothing between .*classifier, head\+affine"
    ):
        engine_sum(engine, a_model("cnn"), "head", some_frames(1), soft_targets(1), 1.0)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("options", [{"bidirectional": True}, {"num_layers": 2}], ids=str)
def test_recurrent_layers_of_other_forms_have_the_same_gradients(
    engine: GradientEngine, kind: type[nn.RNNBase], options: dict
) -> None:
    torch.manual_seed(4)
    states = 32 if options.get("bidirectional") else 16
    model = own_model(States(kind(CompactEncoder.features, 16, batch_first=True, **options)), states)
    check_equality_with_separate_passes(engine, model, "all", views=2)


@pytest.mark.parametrize("states", [BiLstmStates, BiGruStates])
@pytest.mark.parametrize("part", ["classifier", "head"])
@pytest.mark.parametrize("views", [1, 3])
def test_both_directions_are_written_out_alike(
    engine: GradientEngine, states: type[nn.Module], part: str, views: int
) -> None:
    torch.manual_seed(4)
    check_equality_with_separate_passes(engine, own_model(states(CompactEncoder.features, 32)), part, views)


@pytest.mark.parametrize("views", [1, 3])
def test_the_plain_mean_over_time_is_written_out_too(engine: GradientEngine, views: int) -> None:
    check_equality_with_separate_passes(engine, a_model("cnn"), "classifier", views)


def test_the_default_engine_takes_no_loop_for_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fast about it; a loop of one-sequence passes gives the same numbers ten times slower."""
    looped: list[str] = []
    monkeypatch.setattr(fast, "loop_clipped_sum", lambda model, part, *_: looped.append(part) or {})
    for name in ("cnn", "rnn", "cnn-attention", "cnn-lstm", "cnn-gru", "cnn-bilstm", "cnn-bigru", "mobilenet-lstm"):
        for part in a_model(name).parts:
            if part in ("classifier", "head"):
                engine_sum(engine_by_name("fast"), a_model(name), part, some_frames(2), soft_targets(2), 1.0)
    assert not looped
    for part in ("head+affine", "all"):
        engine_by_name("fast").clipped_sum(a_model(), part, some_frames(2), soft_targets(2), 1.0)
    assert looped == ["head+affine", "all"]


def test_targets_are_distributions_not_classes(engine: GradientEngine) -> None:
    model, frames = a_model(), some_frames(1)
    corners = [engine_sum(engine, model, "classifier", frames, torch.eye(CLASSES)[[i]], WIDE) for i in range(2)]
    target = torch.tensor([[0.25, 0.75] + [0.0] * (CLASSES - 2)])
    mixed = engine_sum(engine, model, "classifier", frames, target, WIDE)
    assert agree(mixed, {n: 0.25 * corners[0][n] + 0.75 * corners[1][n] for n in mixed})


def test_an_engine_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="no gradient engine 'quick'"):
        engine_by_name("quick")
    assert [engine_by_name(name).name for name in ENGINES] == list(ENGINES)


def test_more_sequences_than_fit_in_one_pass_are_all_counted(engine: GradientEngine) -> None:
    count = 2 * reference._AT_ONCE + 1
    model, frames, targets = a_model(), some_frames(count), soft_targets(count)
    alone = [gradient_of_one(model, "classifier", *pair) for pair in zip(frames, targets, strict=True)]
    assert agree(engine_sum(engine, model, "classifier", frames, targets, 0.5), clipped_loop(alone, 0.5))


def test_views_are_averaged_before_they_are_clipped(engine: GradientEngine) -> None:
    """Two views whose gradients nearly cancel: clipped one by one, they would not."""
    model = a_model()
    frames = some_frames(2)[1:].repeat(1, 2, 1, 1, 1, 1)
    frames[:, 1] = 1 - frames[:, 1]
    mean = gradient_of_one(model, "classifier", frames[0], soft_targets(1)[0])
    total = engine_sum(engine, model, "classifier", frames, soft_targets(1), 2 * norm(mean))
    assert agree(total, mean)


@each_part
def test_no_sequences_sum_to_zeros_of_the_same_shapes(engine: GradientEngine, part: str) -> None:
    model = a_model()
    total = engine.clipped_sum(model, part, torch.empty(0), torch.zeros(0, CLASSES), 1.0)
    assert {n: v.shape for n, v in total.items()} == {n: p.shape for n, p in model.trainable(part).items()}
    assert norm(total) == 0


@each_part
def test_one_sequence_alone_is_clipped_to_the_clip_norm(engine: GradientEngine, part: str) -> None:
    clip_norm = 0.01
    total = engine_sum(engine, a_model(), part, some_frames(1), soft_targets(1), clip_norm)
    assert 0.999 * clip_norm < norm(total) <= clip_norm * (1 + 1e-6)


@each_model
@each_part
def test_one_sequence_moves_the_sum_by_at_most_the_clip_norm(engine: GradientEngine, name: str, part: str) -> None:
    model, frames, targets = a_model(name), some_frames(3), soft_targets(3)
    clip_norm = 0.01
    full = engine_sum(engine, model, part, frames, targets, clip_norm)
    moved = difference(full, engine_sum(engine, model, part, frames[:2], targets[:2], clip_norm))
    assert 0.99 * clip_norm < moved <= clip_norm * (1 + 1e-4)


@pytest.mark.parametrize("part", ["classifier", "head", "all"])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_sequence_that_is_not_finite_counts_as_nothing(engine: GradientEngine, part: str, poison: float) -> None:
    model, frames, targets = a_model(), some_frames(3, views=2), soft_targets(3)
    poisoned = frames.clone()
    poisoned[1, 0, 0] = poison
    with_it = engine_sum(engine, model, part, poisoned, targets, 1.0)
    without = engine_sum(engine, model, part, frames[[0, 2]], targets[[0, 2]], 1.0)
    assert norm(without) > 0
    assert difference(with_it, without) <= 1e-5 * norm(without)


def test_the_model_is_left_as_it_was(engine: GradientEngine) -> None:
    model = a_model()
    before = copy.deepcopy(model.state_dict())
    engine_sum(engine, model, "all", some_frames(2), soft_targets(2), 1.0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None and not hasattr(p, "grad_sample") for p in model.parameters())
    assert not any(module.training or module._forward_hooks for module in model.modules())


def test_the_weights_of_the_moment_count(engine: GradientEngine) -> None:
    model, frames, targets = a_model(), some_frames(1), soft_targets(1)
    engine_sum(engine, model, "head", frames, targets, WIDE)
    model.add({"classifier.linear.weight": torch.ones(CLASSES, 128)})
    after = engine_sum(engine, model, "head", frames, targets, WIDE)
    assert agree(after, gradient_of_one(model, "head", frames[0], targets[0]))


def fold_time_into_the_batch(encoder: nn.Module) -> None:
    plain = encoder.forward
    encoder.forward = lambda x: plain(x.flatten(0, 1)).unflatten(0, x.shape[:2])


@pytest.mark.parametrize("part", ["head+affine", "all"])
def test_an_encoder_that_folds_time_into_the_batch_does_not_pass(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "distribute_over_time", fold_time_into_the_batch)
    with pytest.raises(RuntimeError, match=r"size of tensor a \(3\) must match the size of tensor b \(9\)"):
        check_equality_with_separate_passes(OpacusEngine(), a_model(), part, views=1)


def test_gradients_of_frames_would_not_equal_those_of_the_loop() -> None:
    """The same mistake where it is silent, since all that is trained is in the encoder: Opacus clips frames."""
    model, frames, targets = a_model(), some_frames(2), soft_targets(2)
    alone = [gradient_of_one(model, "all", *pair) for pair in zip(frames, targets, strict=True)]
    alone = [{n: g for n, g in gradients.items() if n.startswith("encoder.")} for gradients in alone]
    folded = copy.deepcopy(model).train().requires_grad_(False)
    folded.encoder.requires_grad_(True)
    hooked = GradSampleModule(folded.encoder, loss_reduction="sum")
    features = hooked(frames.flatten(0, 2)).unflatten(0, (2, TIME))
    with pytest.warns(UserWarning, match="Full backward hook is firing"):
        F.cross_entropy(folded.run_from("temporal", features), targets, reduction="sum").backward()
    by_frame = {f"encoder.{n}": p.grad_sample.double() for n, p in folded.encoder.named_parameters()}
    assert all(len(gradients) == 2 * TIME for gradients in by_frame.values())

    clip_norm = 1e-2 * min(norm(gradients) for gradients in alone)
    wrong = reference._clip_and_add(by_frame, clip_norm)

    assert agree(reference._clip_and_add(by_frame, WIDE), clipped_loop(alone, WIDE))  # unclipped, nobody would notice
    assert not agree(wrong, clipped_loop(alone, clip_norm))
    assert norm(wrong) > 2 * clip_norm


@pytest.mark.parametrize(
    ("temporal", "named"),
    [
        (States(nn.RNN(128, 32, batch_first=True)), r"temporal\.recurrent \(RNN\).*nn\.LSTM or nn\.GRU"),
        (
            States(nn.LSTM(128, 64, batch_first=True, proj_size=32)),
            r"temporal\.recurrent \(LSTM\).*without projections",
        ),
        (nn.Sequential(LstmStates(128, 32), nn.BatchNorm1d(TIME)), r"temporal\.1 \(BatchNorm1d\).*nn\.GroupNorm"),
        (nn.Sequential(GruStates(128, 32), nn.Dropout(0.5)), r"temporal\.1 \(Dropout\).*augmentation"),
        (nn.Sequential(nn.Linear(128, 32), nn.PReLU()), r"temporal\.1 \(PReLU\).*another gradient engine"),
    ],
    ids=["RNN", "projection", "BatchNorm", "Dropout", "PReLU"],
)
def test_a_layer_without_a_per_sequence_gradient_is_refused_by_name(temporal: nn.Module, named: str) -> None:
    with pytest.raises(ModelError, match=named):
        engine_sum(OpacusEngine(), own_model(temporal), "head", some_frames(2), soft_targets(2), 1.0)


def test_an_encoder_without_a_form_for_sequences_is_refused_by_name() -> None:
    encoder = nn.Sequential(nn.Conv2d(1, 128, 3), nn.BatchNorm2d(128), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = own_model(LstmStates(128, 32), encoder=encoder)
    with pytest.raises(ModelError, match=r"layer 1 \(BatchNorm2d\)"):
        engine_sum(OpacusEngine(), model, "all", some_frames(2), soft_targets(2), 1.0)
