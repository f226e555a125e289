import re

import pytest
import torch
from torch import Tensor, nn

from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES
from shared_models.errors import ModelError
from shared_models.networks.model import STAGES, TRAINABLE_PARTS, EmotionModel
from shared_models.networks.names import FAMILY
from shared_models.networks.pooling import AttentionPooling
from shared_models.networks.registry import build_model

CLASSES = 7
BATCH_STATISTICS = (nn.modules.batchnorm._NormBase, nn.SyncBatchNorm, nn.Dropout)
BLIND_TO_TIME = ("cnn", "cnn-attention")
LOOKING_AHEAD = ("cnn-bilstm", "cnn-bigru", "cnn-conv3d-lstm", "pixels-conv3d-lstm")


@pytest.fixture(params=FAMILY)
def model(request: pytest.FixtureRequest) -> EmotionModel:
    torch.manual_seed(6)
    return build_model(request.param, CLASSES).eval()


def some_frames(count: int = 2, time: int = 3, size: int = 16) -> Tensor:
    return torch.rand(count, time, 1, size, size, generator=torch.Generator().manual_seed(7))


def numbers(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_stored_crops_become_one_row_of_logits_each(model: EmotionModel) -> None:
    frames = some_frames(2, SEQUENCE_FRAMES, CROP_SIZE)
    assert frames.shape == (2, 16, 1, 48, 48)
    with torch.inference_mode():
        assert model(frames).shape == (2, CLASSES)


def test_the_default_trainable_part_is_small(model: EmotionModel) -> None:
    assert sum(p.numel() for p in model.trainable("classifier").values()) <= 1_100


def test_the_encoders_that_a_laptop_trains_whole_are_small() -> None:
    assert numbers(build_model("cnn-lstm", CLASSES).encoder) <= 520_000
    assert numbers(build_model("cnn+cbam-lstm", CLASSES).encoder) <= 520_000
    assert numbers(build_model("mobilenet-lstm", CLASSES).encoder) <= 1_000_000


@pytest.mark.parametrize("stage", STAGES)
def test_the_stages_can_be_run_one_after_the_other(model: EmotionModel, stage: str) -> None:
    frames = some_frames()
    assert torch.equal(model.run_from(stage, model.run_until(stage, frames)), model(frames))


def test_each_stage_hands_on_the_documented_shape(model: EmotionModel) -> None:
    frames = some_frames(2, 3)
    features = model.run_until("temporal", frames)
    assert torch.equal(model.run_until("encoder", frames), frames)
    assert features.shape[:3] == (2, 3, model.encoder.features if model.encoder.pooled else model.encoder.channels)
    assert features.ndim == (3 if model.encoder.pooled else 5)
    assert model.run_until("classifier", frames).shape == (2, 3, model.classifier.linear.in_features)


def test_states_know_nothing_of_later_frames_unless_the_model_looks_ahead(model: EmotionModel) -> None:
    frames = some_frames(1, 5)
    later = frames.clone()
    later[:, -1] = later[:, -1].flip(-1)
    states, changed = model.run_until("classifier", frames), model.run_until("classifier", later)
    assert torch.allclose(states[:, :-1], changed[:, :-1], atol=1e-6) != (model.name in LOOKING_AHEAD)
    assert (states[:, -1] - changed[:, -1]).abs().max() > 1e-4


def test_states_remember_earlier_frames_where_there_is_a_temporal_model(model: EmotionModel) -> None:
    frames = some_frames(1, 4)
    other = frames.clone()
    other[:, 0] = other[:, 0].flip(-1)
    states, changed = model.run_until("classifier", frames), model.run_until("classifier", other)
    assert torch.equal(states[:, -1], changed[:, -1]) == (model.name in BLIND_TO_TIME)


def test_the_order_of_frames_matters_where_there_is_a_temporal_model(model: EmotionModel) -> None:
    frames = some_frames(1, 6)
    assert torch.allclose(model(frames), model(frames.flip(1)), atol=1e-6) == (model.name in BLIND_TO_TIME)


def test_sequences_do_not_touch_each_other_in_either_mode(model: EmotionModel) -> None:
    """No statistic over a batch: a per-sequence gradient would not exist."""
    frames = some_frames(3)
    for mode in (True, False):
        model.train(mode)
        with torch.inference_mode():
            alone = torch.cat([model(frames[i : i + 1]) for i in range(3)])
            torch.testing.assert_close(model(frames), alone, atol=1e-5, rtol=1e-5)


def test_there_is_group_norm_alone_and_no_state_but_parameters(model: EmotionModel) -> None:
    assert not [module for module in model.modules() if isinstance(module, BATCH_STATISTICS)]
    assert bool([m for m in model.modules() if isinstance(m, nn.GroupNorm)]) != (model.name in ("rnn", "edges-lstm"))
    assert not list(model.buffers())
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()


def test_parts_grow_from_the_classifier_to_the_whole_model(model: EmotionModel) -> None:
    names = {part: set(model.trainable(part)) for part in model.parts}
    sizes = [len(chosen) for chosen in names.values()]
    assert sizes == sorted(set(sizes))
    assert names[model.parts[-1]] == set(model.state_dict())
    assert {name.split(".")[0] for name in names["classifier"]} == {"classifier"}
    if "head" in names:
        assert {name.split(".")[0] for name in names["head"]} == {"temporal", "classifier"}
    if "head+affine" in names:
        affine = names["head+affine"] - names.get("head", names["classifier"])
        assert len(affine) == 2 * sum(isinstance(module, nn.GroupNorm) for module in model.encoder.modules())
        assert all(model.get_parameter(name).ndim == 1 for name in affine)


def test_a_part_that_would_be_a_smaller_one_again_is_no_part() -> None:
    parts = {name: build_model(name, CLASSES).parts for name in ("cnn-lstm", "cnn", "rnn", "pixels-conv3d-lstm")}
    assert parts.pop("cnn-lstm") == TRAINABLE_PARTS
    assert parts == {
        "cnn": ("classifier", "head+affine", "all"),
        "rnn": ("classifier", "head"),
        "pixels-conv3d-lstm": ("classifier", "head"),
    }


@pytest.mark.parametrize(
    ("name", "part", "why"),
    [
        ("cnn", "head", "nothing between its frames and its classifier"),
        ("rnn", "head+affine", "its encoder has no GroupNorm"),
        ("rnn", "all", "its encoder has no weights"),
    ],
)
def test_a_part_that_a_model_has_not_is_refused_with_those_it_has(name: str, part: str, why: str) -> None:
    with pytest.raises(ModelError, match=rf"'{re.escape(part)}': {why}.*Use one of: classifier, head"):
        build_model(name, CLASSES).freeze_all_but(part)


def test_training_a_part_leaves_all_stages_before_it_as_they_are(model: EmotionModel) -> None:
    for part in model.parts:
        before = STAGES[: STAGES.index(model.first_trainable_stage(part))]
        assert not [name for name in model.trainable(part) if name.split(".")[0] in before]
        assert any(name.startswith(model.first_trainable_stage(part)) for name in model.trainable(part))


def test_only_the_chosen_part_takes_gradients(model: EmotionModel) -> None:
    for part in model.parts:
        chosen = model.freeze_all_but(part)
        assert list(chosen) == list(model.trainable(part))
        assert {name for name, p in model.named_parameters() if p.requires_grad} == set(chosen)


def test_an_unknown_part_is_refused_with_those_there_are(model: EmotionModel) -> None:
    for action in (model.trainable, model.first_trainable_stage, model.freeze_all_but):
        with pytest.raises(ModelError, match=r"no trainable part 'tail'.*head\+affine"):
            action("tail")


def test_a_change_is_added_to_what_it_names(model: EmotionModel) -> None:
    name = "classifier.linear.bias"
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.add({name: torch.ones(CLASSES)}, scale=-0.5)
    for n, p in model.named_parameters():
        assert torch.equal(p.detach(), before[n] - 0.5 if n == name else before[n])


def test_pooling_is_a_weighted_mean_over_time() -> None:
    pool = AttentionPooling(4)
    states = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(8))
    nn.init.zeros_(pool.score.weight)
    torch.testing.assert_close(pool(states), states.mean(dim=1))
    pool.score.weight.data[0, 0] = 1e4
    last = states[range(2), states[:, :, 0].argmax(dim=1)]
    torch.testing.assert_close(pool(states), last)
