from pathlib import Path

import numpy as np
import pytest
import torch

from shared_models.data.labels import SCHEMES
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.data.synthetic.domains import STUDIO
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.data.transforms import to_input
from shared_models.errors import ModelError
from shared_models.networks import starter
from shared_models.networks.registry import build_model
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import WeightsHeader, save_model, weights_hash

SHIPPED = sorted(starter._FOLDER.glob("*.safetensors"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of starter weights with one file, for cnn-lstm and basic-7."""
    monkeypatch.setattr(starter, "_FOLDER", tmp_path)
    torch.manual_seed(10)
    header = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=INPUT_SHAPE, training_data="rendered")
    save_model(tmp_path / "cnn-lstm-basic-7.safetensors", build_model("cnn-lstm", 7), header, ["00000000000000aa"])
    return tmp_path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_weights_that_ship_fit_the_model_and_scheme_in_their_name(path: Path) -> None:
    name, scheme = next((n, s) for n in ("cnn-lstm",) for s in SCHEMES if path.stem == f"{n}-{s}")
    model, header, seen = initial_model("starter", name, scheme, INPUT_SHAPE)
    assert (header.model, header.scheme, header.input_shape) == (name, scheme, INPUT_SHAPE)
    assert header.training_data
    assert seen
    logits = model(torch.rand(1, *INPUT_SHAPE, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (1, len(SCHEMES[scheme].classes))
    assert bool(torch.isfinite(logits).all())


def test_random_weights_have_seen_nothing() -> None:
    model, header, seen = initial_model("random", "cnn-lstm", "learner-4x4", INPUT_SHAPE)
    assert model.classifier.linear.out_features == 16
    assert not model.training
    assert (header.training_data, header.input_shape, seen) == ("none", INPUT_SHAPE, frozenset())


def test_the_starter_is_chosen_by_model_and_scheme(folder: Path) -> None:
    model, header, seen = initial_model("starter", "cnn-lstm", "basic-7", INPUT_SHAPE)
    by_path, _, _ = initial_model(str(folder / "cnn-lstm-basic-7.safetensors"), "cnn-lstm", "basic-7", INPUT_SHAPE)
    assert header.training_data == "rendered"
    assert seen == {"00000000000000aa"}
    assert weights_hash(model.state_dict()) == weights_hash(by_path.state_dict())


def test_a_scheme_without_starter_weights_is_named(folder: Path) -> None:
    with pytest.raises(ModelError, match="no starter weights for the model cnn-lstm and the scheme basic-8"):
        initial_model("starter", "cnn-lstm", "basic-8", INPUT_SHAPE)


def test_a_file_for_another_scheme_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="are for cnn-lstm and basic-7, not cnn-lstm and basic-8"):
        initial_model(str(folder / "cnn-lstm-basic-7.safetensors"), "cnn-lstm", "basic-8", INPUT_SHAPE)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match=r"nowhere\.safetensors cannot be used"):
        initial_model("nowhere.safetensors", "cnn-lstm", "basic-7", INPUT_SHAPE)


def test_the_shipped_model_tells_apart_what_no_single_frame_can() -> None:
    """Surprise and fear share their apex; fear is surprise's course reversed in time."""
    model, _, _ = initial_model("starter", "cnn-lstm", "basic-7", (16, 1, 48, 48))
    rendered = render_sequences(6, "basic-7", STUDIO, seed=1, people=range(1100, 1106))
    names = ("surprise", "fear")
    pair = [rendered.scheme.index(name) for name in names]
    chosen = rendered.take(np.flatnonzero(np.isin(rendered.labels, pair)))
    with torch.inference_mode():
        forwards = model(to_input(chosen.frames)).argmax(1).numpy()
        backwards = model(to_input(chosen.frames[:, ::-1])).argmax(1).numpy()
    assert (forwards == chosen.labels).mean() >= 0.9
    assert (backwards == sum(pair) - chosen.labels).mean() >= 0.9
