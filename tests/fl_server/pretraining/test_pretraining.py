from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fl_server import pretraining
from fl_server.pretraining import Order, Recipe, Stopped, pretrain_to
from fl_server.pretraining.encoder import encoder_stage
from fl_server.pretraining.temporal import random_view, temporal_stage
from shared_models.data.labels import scheme_by_name
from shared_models.data.remembered import digests_of, shares_nobody
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.data.stills import to_sequences
from shared_models.data.transforms import to_input
from shared_models.errors import ModelError, UsageError
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.networks.torchvision_guard import import_torchvision
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

LONGER = Recipe(frame_epochs=16, sequence_epochs=8, batch=8, views=2)
TINY = Recipe(frame_epochs=1, sequence_epochs=1, batch=4, views=1)


def accuracy(model: EmotionModel, data: Sequences) -> float:
    with torch.inference_mode():
        return float((model(to_input(data.frames)).argmax(dim=1).numpy() == data.labels).mean())


def weights_of(model: EmotionModel) -> dict[str, str]:
    stages = {"encoder": model.encoder, "temporal": model.temporal, "classifier": model.classifier}
    return {name: weights_hash(stage.state_dict()) for name, stage in stages.items()}


def changed(recipe: Recipe, **entries: object) -> Recipe:
    return recipe.model_copy(update=entries)


@pytest.mark.parametrize("loss", ["cross-entropy", "focal", "margin"])
def test_it_learns_what_other_sequences_show_too(bars, trained, loss: str) -> None:
    model = trained(bars(32, 3, seed=1), changed(LONGER, loss=loss, balance=0.9)).model
    assert accuracy(model, bars(20, 3, seed=2)) >= 0.9
    assert not model.training


def test_it_tells_how_far_it_is(bars, trained) -> None:
    told = trained(bars(8, 2, seed=1)).progress
    assert [step for stage, step, total in told if (stage, total) == ("encoder", 4)] == [1, 2, 3, 4]
    assert [done for stage, done, total in told if (stage, total) == ("features", 16)] == [8, 16]
    assert [step for stage, step, total in told if (stage, total) == ("temporal", 4)] == [1, 2, 3, 4]


def test_both_halves_are_trained_and_the_second_leaves_the_encoder_alone(bars, trained) -> None:
    torch.manual_seed(1)
    fresh = weights_of(build_model("cnn-lstm", 7))
    short, long = (weights_of(trained(bars(8, 2, seed=1), changed(TINY, sequence_epochs=n)).model) for n in (1, 2))
    assert short["encoder"] == long["encoder"] != fresh["encoder"]
    for stage in ("temporal", "classifier"):
        assert fresh[stage] != short[stage] != long[stage]


def test_the_same_seed_gives_the_same_weights(bars, trained) -> None:
    data = bars(8, 2, seed=1)
    hashes = [weights_hash(trained(data, TINY, seed).model.state_dict()) for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_encoder_is_the_running_mean_of_its_steps(bars, trained) -> None:
    data = bars(8, 2, seed=1)
    last, mean = (weights_of(trained(data, changed(TINY, average_decay=decay)).model) for decay in (0.0, 0.998))
    assert last["encoder"] != mean["encoder"]


def test_the_first_steps_see_small_frames(bars) -> None:
    stage = encoder_stage(build_model("cnn-lstm", 7), bars(8, 1, seed=1, size=18), changed(TINY, small_share=0.4))
    sides = [stage.batch(torch.arange(4), share, torch.Generator())[0].shape[-1] for share in (0.0, 0.39, 0.4, 0.99)]
    assert sides == [12, 12, 18, 18]


def test_stills_are_held_before_a_moving_camera_for_the_temporal_half(bars) -> None:
    model, stills = build_model("cnn-lstm", 7).eval(), bars(20, 1, seed=1)
    features = first_features(model, stills, changed(TINY, frame_drop=0.0), range(20))
    with torch.no_grad():
        expected = model.run_until("temporal", to_input(to_sequences(stills).frames))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(features, expected[order], atol=2e-3, rtol=2e-3)


def test_the_temporal_half_takes_no_more_sequences_than_its_recipe_says(bars) -> None:
    recipe = changed(TINY, max_sequences=5)
    stage = temporal_stage(build_model("cnn-lstm", 7), bars(8, 2, seed=1), recipe, 0, lambda *told: None)
    assert stage.examples == 5


def test_lost_frames_are_stood_for_by_the_one_before(bars) -> None:
    model, data = build_model("cnn-lstm", 7), bars(8, 6, seed=1)
    whole, lossy = (first_features(model, data, changed(TINY, frame_drop=share), range(8)) for share in (0.0, 0.5))
    lost = (whole != lossy).any(dim=2)
    assert bool(lost.any())
    assert torch.equal(lossy[:, 1:][lost[:, 1:]], lossy[:, :-1][lost[:, 1:]])


def first_features(model: EmotionModel, data: Sequences, recipe: Recipe, index: range) -> torch.Tensor:
    """(B, T, D): what the temporal half sees of these sequences as they are."""
    stage = temporal_stage(model, data, recipe, 0, lambda *told: None)
    return stage.batch(torch.tensor(index), 0.0, torch.Generator().manual_seed(1))[0]


def test_every_frame_of_a_sequence_is_transformed_alike() -> None:
    frame = torch.rand(6, 1, 1, 24, 24, generator=torch.Generator().manual_seed(1))
    views = random_view(frame.expand(-1, 5, -1, -1, -1), torch.Generator().manual_seed(2))
    assert views.shape == (6, 5, 1, 24, 24)
    torch.testing.assert_close(views, views[:, :1].expand_as(views))
    assert not torch.allclose(views[:, 0], frame[:, 0])
    assert len({view.numpy().tobytes() for view in views[:, 0]}) == 6


@pytest.fixture
def public(bars: Callable[..., Sequences], monkeypatch: pytest.MonkeyPatch) -> Sequences:
    """What pretraining sees, whatever the data source."""
    data = bars(8, 2, seed=3)

    def load_public(spec: DataSpec, scheme: object, seed: int, progress: object) -> tuple[Sequences, str]:
        assert (spec, scheme) == (DataSpec("synthetic", None), scheme_by_name("basic-7"))
        return data, f"eight rows of bars, seed {seed}"

    monkeypatch.setattr(pretraining, "load_public", load_public)
    return data


def test_the_file_says_what_it_was_trained_on_and_names_every_sequence(public: Sequences, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    recipe = changed(TINY, max_sequences=3)
    wall, cpu = pretrain_to(path, Order("cnn-lstm", "basic-7", ("synthetic",), 6, recipe), lambda *told: None)
    model, header, seen = load_model(path)
    assert wall > 0 < cpu
    assert (header.model, header.scheme) == ("cnn-lstm", "basic-7")
    assert header.input_shape == (16, 1, 48, 48)
    assert header.training_data == "eight rows of bars, seed 6"
    assert seen == digests_of("synthetic", public)  # the encoder saw all of them, whatever the temporal half took
    assert bool(torch.isfinite(model(to_input(public.frames))).all())
    assert not path.with_suffix(".checkpoint").exists()


def test_stills_and_sequences_are_trained_on_together(bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences, stills = bars(8, 16, seed=3), bars(4, 1, seed=4)
    parts = {"synthetic": (sequences, "bars that move"), "ferplus": (stills, "bars that stand")}
    monkeypatch.setattr(pretraining, "load_public", lambda spec, *_: parts[spec.kind])
    path = tmp_path / "model.safetensors"
    told: list[tuple[str, int, int]] = []
    order = Order("cnn-lstm", "basic-7", ("synthetic", "ferplus:faces"), 6, TINY)
    pretrain_to(path, order, lambda *what: told.append(what))
    _, header, seen = load_model(path)
    assert header.training_data == "bars that move; bars that stand"
    assert seen == digests_of("synthetic", sequences) | digests_of("ferplus", stills)
    assert ("features", 12, 12) in told
    with pytest.raises(UsageError, match="twice"):
        pretrain_to(path, Order("cnn-lstm", "basic-7", ("synthetic", "synthetic")), lambda *what: None)


def test_it_can_be_stopped_while_faces_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int, int]] = []

    def load_public(spec: DataSpec, scheme: object, seed: int, progress: Callable[..., None]) -> None:
        for number in range(1, 10):
            progress("faces", number, 9)

    monkeypatch.setattr(pretraining, "load_public", load_public)
    order = Order("cnn-lstm", "basic-7", ("synthetic",))
    with pytest.raises(Stopped):
        pretrain_to(tmp_path / "a.safetensors", order, lambda *what: told.append(what), lambda: len(told) == 2)
    assert told == [("faces", 1, 9), ("faces", 2, 9)]


def test_an_encoder_that_is_given_is_kept_with_all_that_it_has_seen(public: Sequences, tmp_path: Path) -> None:
    given = build_model("cnn-lstm", 8)
    header = WeightsHeader(model="cnn-lstm", scheme="basic-8", input_shape=(16, 1, 48, 48), training_data="faces")
    save_model(tmp_path / "given.safetensors", given, header, ["00000000000000aa"])
    order = Order("cnn-lstm", "basic-7", ("synthetic",), 6, TINY, encoder=tmp_path / "given.safetensors")
    pretrain_to(tmp_path / "model.safetensors", order, lambda *told: None)
    model, header, seen = load_model(tmp_path / "model.safetensors")
    assert weights_of(model)["encoder"] == weights_of(given)["encoder"]
    assert {"00000000000000aa", *public.digests} <= seen
    assert shares_nobody(seen, "ckplus", replace(public, subjects=("S1",) * len(public))) is False
    others = replace(public, subjects=("S1",) * len(public), digests=("00000000000000bb",) * len(public))
    assert shares_nobody(seen, "ckplus", others) is None, "nobody knows whom the encoder has seen"
    assert header.training_data == "eight rows of bars, seed 6; encoder: faces"


def test_an_encoder_of_another_architecture_is_refused(public: Sequences, tmp_path: Path) -> None:
    header = WeightsHeader(model="mobilenet-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
    save_model(tmp_path / "given.safetensors", build_model("mobilenet-lstm", 7), header)
    order = Order("cnn-lstm", "basic-7", ("synthetic",), encoder=tmp_path / "given.safetensors")
    with pytest.raises(ModelError, match=r"given\.safetensors does not fit the model cnn-lstm.*mobilenet-lstm"):
        pretrain_to(tmp_path / "model.safetensors", order, lambda *told: None)


def test_an_encoder_begins_from_torchvisions_weights(public: Sequences, tmp_path: Path) -> None:
    theirs = import_torchvision().models.mobilenet_v3_small(weights=None).state_dict()
    torch.save(theirs, tmp_path / "theirs.pth")
    order = Order("mobilenet", "basic-7", ("synthetic",), 6, TINY, backbone=tmp_path / "theirs.pth")
    still = changed(TINY, frame_rate=1e-12, sequence_rate=1e-12)
    pretrain_to(tmp_path / "model.safetensors", replace(order, recipe=still), lambda *told: None)
    model, header, _ = load_model(tmp_path / "model.safetensors")
    first = model.encoder.get_submodule("layers.0.0").weight
    torch.testing.assert_close(first, theirs["features.0.0.weight"])
    assert header.training_data == "eight rows of bars, seed 6; encoder begun from torchvision's mobilenet_v3_small"


def test_an_encoder_that_is_not_torchvisions_does_not_take_its_weights(public: Sequences, tmp_path: Path) -> None:
    order = Order("cnn-lstm", "basic-7", ("synthetic",), 6, TINY, backbone=tmp_path / "theirs.pth")
    with pytest.raises(ModelError, match="encoder of cnn-lstm is not one of torchvision's"):
        pretrain_to(tmp_path / "model.safetensors", order, lambda *told: None)


@pytest.mark.parametrize("name", ["cnn", "rnn", "cnn-convlstm"])
def test_models_of_every_form_are_pretrained(name: str, public: Sequences, tmp_path: Path) -> None:
    told: list[str] = []
    order = Order(name, "basic-7", ("synthetic",), 6, TINY)
    pretrain_to(tmp_path / "model.safetensors", order, lambda stage, *_: told.append(stage))
    assert ("encoder" in told) == (name != "rnn")
    model, _, _ = load_model(tmp_path / "model.safetensors")
    assert bool(torch.isfinite(model(to_input(public.frames))).all())
