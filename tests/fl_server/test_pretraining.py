import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_server import pretraining
from fl_server.pretraining import Recipe, pretrain, pretrain_to
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.data.transforms import to_input
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.networks.weights import load_model, weights_hash

SCHEME = scheme_by_name("basic-7")
SMALL = Recipe(frame_epochs=8, sequence_epochs=15, batch=8, sequence_rate=5e-3, smoothing=0.0)


def bars(count: int, frames: int, seed: int, size: int = 16) -> Sequences:
    """Two classes: bars that lie, bars that stand; which survives mirroring, light and a lost corner."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((count, frames, 1, size, size), np.uint8)
    for number, sequence in enumerate(pixels):
        stripes = np.where(np.arange(size) // 2 % 2 == number // 2 % 2, 40, 220)
        picture = np.broadcast_to(stripes, (size, size)).T if number % 2 else np.broadcast_to(stripes, (size, size))
        sequence[:, 0] = picture + rng.integers(-20, 20, (frames, size, size))
    targets = np.eye(7, dtype=np.float32)[np.arange(count) % 2]
    digests = tuple(f"{seed:08x}{number:08x}" for number in range(count))
    return Sequences(SCHEME, pixels, targets, (None,) * count, digests)


def accuracy(model: EmotionModel, data: Sequences) -> float:
    with torch.inference_mode():
        return float((model(to_input(data.frames)).argmax(dim=1).numpy() == data.labels).mean())


def pretrained(data: Sequences, recipe: Recipe = SMALL, seed: int = 1) -> tuple[EmotionModel, list]:
    torch.manual_seed(seed)
    model, seen = build_model("cnn-lstm", 7), []
    pretrain(model, data, recipe, seed, lambda *progress: seen.append(progress))
    return model, seen


def test_it_learns_what_other_sequences_show_too_and_tells_how_far_it_is() -> None:
    model, seen = pretrained(bars(32, 3, seed=1))
    assert accuracy(model, bars(20, 3, seed=2)) >= 0.9
    assert not model.training
    assert seen == [("encoder", i, 8) for i in range(1, 9)] + [("temporal", i, 15) for i in range(1, 16)]


def test_both_halves_are_trained_and_the_second_leaves_the_encoder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    fresh = weights_of(build_model("cnn-lstm", 7))
    recipe = Recipe(frame_epochs=1, sequence_epochs=1, batch=8, views=1)
    both = weights_of(pretrained(bars(8, 2, seed=1), recipe)[0])
    monkeypatch.setattr(pretraining, "_train_temporal", lambda *nothing: None)
    first = weights_of(pretrained(bars(8, 2, seed=1), recipe)[0])
    assert first["encoder"] == both["encoder"] != fresh["encoder"]
    for stage in ("temporal", "classifier"):
        assert first[stage] == fresh[stage] != both[stage]


def weights_of(model: EmotionModel) -> dict[str, str]:
    stages = {"encoder": model.encoder, "temporal": model.temporal, "classifier": model.classifier}
    return {name: weights_hash(stage.state_dict()) for name, stage in stages.items()}


def test_the_same_seed_gives_the_same_weights() -> None:
    recipe = Recipe(frame_epochs=1, sequence_epochs=1, batch=4)
    hashes = [weights_hash(pretrained(bars(8, 2, seed=1), recipe, seed)[0].state_dict()) for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_encoder_is_the_running_mean_of_its_steps() -> None:
    last, mean = (
        Recipe(frame_epochs=1, sequence_epochs=1, batch=4, views=1, average_decay=decay) for decay in (0.0, 0.998)
    )
    data = bars(8, 2, seed=1)
    assert weights_of(pretrained(data, last)[0])["encoder"] != weights_of(pretrained(data, mean)[0])["encoder"]


def test_stills_are_held_before_a_moving_camera_for_the_temporal_half(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    real = pretraining._features
    monkeypatch.setattr(
        pretraining,
        "_features",
        lambda model, data, *rest: lengths.append(data.frames.shape[1]) or real(model, data, *rest),
    )
    pretrained(bars(4, 1, seed=1), Recipe(frame_epochs=1, sequence_epochs=1, batch=4, views=1))
    assert lengths == [16]


def test_the_temporal_half_takes_no_more_sequences_than_its_recipe_says(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    real = pretraining._features
    monkeypatch.setattr(
        pretraining, "_features", lambda model, data, *rest: counts.append(len(data)) or real(model, data, *rest)
    )
    pretrained(bars(8, 2, seed=1), Recipe(frame_epochs=1, sequence_epochs=1, batch=4, views=2, max_sequences=5))
    assert counts == [5, 5]


def test_the_file_says_what_it_was_trained_on_and_names_every_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, asked = bars(8, 2, seed=3), []

    def load_public(spec: DataSpec, scheme: object, seed: int) -> tuple[Sequences, str]:
        asked.append((spec, scheme, seed))
        return data, "eight rows of bars, seed 6"

    small = functools.partial(Recipe, frame_epochs=1, sequence_epochs=1, batch=8, views=1, max_sequences=3)
    monkeypatch.setattr(pretraining, "load_public", load_public)
    monkeypatch.setattr(pretraining, "Recipe", small)
    pretrain_to(tmp_path / "model.safetensors", "cnn-lstm", "basic-7", "synthetic", 6, lambda *progress: None)
    model, header, seen = load_model(tmp_path / "model.safetensors")
    assert asked == [(DataSpec("synthetic", None), SCHEME, 6)]
    assert (header.model, header.scheme) == ("cnn-lstm", "basic-7")
    assert header.input_shape == (16, 1, 48, 48)
    assert header.training_data == "eight rows of bars, seed 6"
    assert seen == set(data.digests)  # the encoder saw all of them, whatever the temporal half took
    assert bool(torch.isfinite(model(to_input(data.frames))).all())
