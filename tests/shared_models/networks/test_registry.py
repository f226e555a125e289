from pathlib import Path

import pytest
import torch

from shared_models.errors import ModelError
from shared_models.networks.model import LstmStates
from shared_models.networks.names import ATTENTIONS, ENCODERS, FAMILY, TEMPORALS, encoder_of, parse_name, parts_of
from shared_models.networks.registry import _ENCODERS, build_model
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash


@pytest.mark.parametrize("name", FAMILY)
def test_a_model_has_its_name_and_as_many_outputs_as_asked_for(name: str) -> None:
    for classes in (2, 16):
        model = build_model(name, classes)
        assert model.name == name
        assert model.classifier.linear.out_features == classes


@pytest.mark.parametrize("name", FAMILY)
def test_a_model_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    model = build_model(name, 7)
    header = WeightsHeader(model=name, scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
    save_model(tmp_path / "model.safetensors", model, header)
    loaded, found, _ = load_model(tmp_path / "model.safetensors")
    assert found == header
    assert weights_hash(loaded.state_dict()) == weights_hash(model.state_dict())


def test_every_part_is_in_a_model_of_the_family() -> None:
    parsed = [parse_name(name) for name in FAMILY]
    assert {parts.encoder for parts in parsed} == set(ENCODERS) == set(_ENCODERS)
    assert {parts.attention for parts in parsed} == {"", *ATTENTIONS}
    assert {parts.temporal for parts in parsed} == {"", *TEMPORALS}
    assert len(set(FAMILY)) == len(FAMILY)


def test_the_names_of_earlier_versions_are_there() -> None:
    assert {"cnn-lstm", "cnn-gru", "mobilenet-lstm"} <= set(FAMILY)


@pytest.mark.parametrize("name", FAMILY)
def test_a_models_parts_follow_from_its_name(name: str) -> None:
    assert parts_of(name) == build_model(name, 7).parts


def test_other_parts_make_a_model_too() -> None:
    model = build_model("mobilenet+spatial-convlstm", 7).eval()
    with torch.inference_mode():
        assert model(torch.rand(1, 2, 1, 32, 32)).shape == (1, 7)


def test_a_recurrent_network_alone_sees_pixels() -> None:
    model = build_model("rnn", 7)
    assert not list(model.encoder.parameters())
    assert isinstance(model.temporal, LstmStates)


def test_two_models_share_no_weights() -> None:
    one, other = build_model("cnn-lstm", 7), build_model("cnn-lstm", 7)
    assert not {p.data_ptr() for p in one.parameters()} & {p.data_ptr() for p in other.parameters()}


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"no model 'resnet-50'.*Use one of: .*cnn-lstm"):
        build_model("resnet-50", 7)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-lstm",
        "cnn-",
        "cnn+-lstm",
        "cnn+cbam+cbam-lstm",
        "pixels+channel-lstm",
        "edges+cbam-lstm",
        "pixels-lstm",
        "CNN-lstm",
        "lstm",
    ],
)
def test_one_model_has_one_name(name: str) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        build_model(name, 7)


@pytest.mark.parametrize("name", FAMILY)
def test_a_model_shares_its_encoder_with_the_one_that_is_nothing_else(name: str) -> None:
    model, shared = build_model(name, 7), encoder_of(name)
    learns = bool(list(model.encoder.parameters()))
    assert bool(shared) == learns
    if learns:
        alone = build_model(shared, 7)
        assert not list(alone.temporal.parameters())
        alone.encoder.load_state_dict(model.encoder.state_dict())
