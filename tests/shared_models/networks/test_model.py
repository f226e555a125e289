import pytest
import torch
from torch import Tensor, nn

from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES
from shared_models.errors import ModelError
from shared_models.networks.layers import AttentionPooling
from shared_models.networks.model import STAGES, TRAINABLE_PARTS, EmotionModel
from shared_models.networks.registry import _MODELS, build_model

CLASSES = 7
BATCH_STATISTICS = (nn.modules.batchnorm._NormBase, nn.SyncBatchNorm, nn.Dropout)


@pytest.fixture(params=_MODELS)
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
    assert model(frames).shape == (2, CLASSES)


def test_the_encoder_is_small_and_the_default_trainable_part_smaller(model: EmotionModel) -> None:
    assert numbers(model.encoder) <= 1_000_000
    assert sum(p.numel() for p in model.trainable("classifier").values()) <= 1_100


def test_the_default_encoder_is_half_that() -> None:
    assert numbers(build_model("cnn-lstm", CLASSES).encoder) <= 500_000


@pytest.mark.parametrize("stage", STAGES)
def test_the_stages_can_be_run_one_after_the_other(model: EmotionModel, stage: str) -> None:
    frames = some_frames()
    assert torch.equal(model.run_from(stage, model.run_until(stage, frames)), model(frames))


def test_each_stage_hands_on_the_documented_shape(model: EmotionModel) -> None:
    frames = some_frames(2, 3)
    assert torch.equal(model.run_until("encoder", frames), frames)
    assert model.run_until("temporal", frames).shape == (2, 3, model.encoder.features)
    assert model.run_until("classifier", frames).shape == (2, 3, 128)


def test_states_know_nothing_of_later_frames(model: EmotionModel) -> None:
    frames = some_frames(1, 5)
    later = frames.clone()
    later[:, -1] = 1 - later[:, -1]
    states, changed = model.run_until("classifier", frames), model.run_until("classifier", later)
    torch.testing.assert_close(states[:, :-1], changed[:, :-1])
    assert (states[:, -1] - changed[:, -1]).abs().max() > 1e-4


def test_states_remember_earlier_frames(model: EmotionModel) -> None:
    frames = some_frames(1, 4)
    other = frames.clone()
    other[:, 0] = 1 - other[:, 0]
    states, changed = model.run_until("classifier", frames), model.run_until("classifier", other)
    assert (states[:, -1] - changed[:, -1]).abs().max() > 1e-6


def test_the_order_of_frames_matters(model: EmotionModel) -> None:
    frames = some_frames(1, 6)
    assert not torch.allclose(model(frames), model(frames.flip(1)), atol=1e-6)


def test_sequences_do_not_touch_each_other_in_either_mode(model: EmotionModel) -> None:
    """No statistic over a batch: a per-sequence gradient would not exist."""
    frames = some_frames(3)
    for mode in (True, False):
        model.train(mode)
        alone = torch.cat([model(frames[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(model(frames), alone, atol=1e-5, rtol=1e-5)


def test_there_is_group_norm_alone_and_no_state_but_parameters(model: EmotionModel) -> None:
    assert not [module for module in model.modules() if isinstance(module, BATCH_STATISTICS)]
    assert [module for module in model.modules() if isinstance(module, nn.GroupNorm)]
    assert not list(model.buffers())
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()


def test_parts_grow_from_the_classifier_to_all(model: EmotionModel) -> None:
    names = [set(model.trainable(part)) for part in ("classifier", "head", "head+affine", "all")]
    assert names[0] < names[1] < names[2] < names[3] == set(model.state_dict())
    assert {name.split(".")[0] for name in names[0]} == {"classifier"}
    assert {name.split(".")[0] for name in names[1]} == {"temporal", "classifier"}
    affine = names[2] - names[1]
    assert len(affine) == 2 * sum(isinstance(module, nn.GroupNorm) for module in model.modules())
    assert all(model.get_parameter(name).ndim == 1 for name in affine)


@pytest.mark.parametrize("part", TRAINABLE_PARTS)
def test_training_a_part_leaves_all_stages_before_it_as_they_are(model: EmotionModel, part: str) -> None:
    before = STAGES[: STAGES.index(model.first_trainable_stage(part))]
    assert not [name for name in model.trainable(part) if name.split(".")[0] in before]
    assert any(name.startswith(model.first_trainable_stage(part)) for name in model.trainable(part))


@pytest.mark.parametrize("part", TRAINABLE_PARTS)
def test_only_the_chosen_part_takes_gradients(model: EmotionModel, part: str) -> None:
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
