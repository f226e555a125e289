import pytest

from shared_models.errors import ModelError
from shared_models.networks.registry import _MODELS, build_model


@pytest.mark.parametrize("name", _MODELS)
@pytest.mark.parametrize("classes", [2, 7, 16])
def test_a_model_has_its_name_and_as_many_outputs_as_asked_for(name: str, classes: int) -> None:
    model = build_model(name, classes)
    assert model.name == name
    assert model.classifier.linear.out_features == classes


def test_the_default_model_is_there() -> None:
    assert "cnn-lstm" in _MODELS


def test_two_models_share_no_weights() -> None:
    one, other = build_model("cnn-lstm", 7), build_model("cnn-lstm", 7)
    assert not {p.data_ptr() for p in one.parameters()} & {p.data_ptr() for p in other.parameters()}


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"no model 'resnet-50'.*Use one of: .*cnn-lstm"):
        build_model("resnet-50", 7)
