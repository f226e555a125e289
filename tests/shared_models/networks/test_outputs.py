"""Losses and readings fit each other, and label schemes choose them."""

from pathlib import Path

import pytest
import torch

from shared_models.data.labels import FURTHER_SCHEMES, SCHEMES, LabelScheme
from shared_models.errors import ModelError
from shared_models.networks.outputs import _OUTPUTS, Output, output_by_name
from shared_models.networks.registry import build_model
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import load_model, save_model

each_output = pytest.mark.parametrize("output", _OUTPUTS.values(), ids=_OUTPUTS)
SHAPE = (16, 1, 48, 48)


@each_output
def test_the_gradient_in_the_logits_is_the_reading_minus_the_target(output: Output) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, generator=generator, requires_grad=True)
    targets = torch.rand(3, 4, generator=generator)
    targets /= targets.sum(1, keepdim=True)
    (gradient,) = torch.autograd.grad(output.losses(logits, targets).sum(), logits)
    torch.testing.assert_close(gradient, output.read(logits.detach()) - targets)


@each_output
def test_nothing_is_lost_where_the_reading_is_the_target(output: Output) -> None:
    logits = torch.tensor([[30.0, -30.0, -30.0]])
    assert float(output.losses(logits, output.read(logits))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scheme", (SCHEMES | FURTHER_SCHEMES).values(), ids=SCHEMES | FURTHER_SCHEMES)
def test_a_scheme_chooses_the_output_and_a_file_keeps_it(scheme: LabelScheme, tmp_path: Path) -> None:
    model, header, _ = initial_model("random", "cnn", scheme.name, SHAPE)
    save_model(tmp_path / "model.safetensors", model, header)
    loaded, _, _ = load_model(tmp_path / "model.safetensors")
    assert loaded.output is model.output is output_by_name(scheme.output)
    assert loaded(torch.rand(1, 2, 1, 16, 16)).shape == (1, len(scheme.classes))


def test_a_federations_labels_are_classes() -> None:
    assert {scheme.output for scheme in SCHEMES.values()} == {"categorical"}
    assert {scheme.output for scheme in FURTHER_SCHEMES.values()} == {"multi-label", "levels", "values"}


def test_an_unknown_output_is_refused_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"no output 'words'.*categorical, multi-label, levels, values"):
        build_model("cnn-lstm", 7, "words")
