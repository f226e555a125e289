"""What is exported answers as the model does, says what it is, and is not handed out otherwise."""

import re

import numpy as np
import pytest
import torch

from shared_models.data.labels import scheme_by_name
from shared_models.errors import ModelError
from shared_models.networks import onnx_export as module
from shared_models.networks.model import EmotionModel
from shared_models.networks.onnx_export import TOLERANCE, Exported, export_onnx, export_step
from shared_models.networks.onnx_runtime import OnnxModel, OnnxStep
from shared_models.networks.pooling import AttentionPooling
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, weights_hash

SHAPE = (4, 1, 32, 32)
STREAMING = ("cnn-lstm", "cnn-gru", "mobilenet-lstm")
WINDOW_ONLY = ("edges", "cnn+cbam-attention", "pixels-bilstm", "pixels-bigru", "pixels-convlstm", "pixels-conv3d-lstm")
"""One of each kind; `make exports` has every listed model."""
OUTPUTS = {
    "basic-7-any": ("multi-label", "sigmoid"),
    "learner-levels": ("levels", "at least a half"),
    "valence-arousal": ("values", "the value itself"),
}


def header_for(name: str, scheme: str = "basic-7") -> WeightsHeader:
    return WeightsHeader(model=name, scheme=scheme, input_shape=SHAPE, training_data="noise")


@pytest.fixture(scope="module", params=STREAMING)
def made(request: pytest.FixtureRequest) -> tuple[EmotionModel, Exported]:
    torch.manual_seed(4)
    model = build_model(request.param, 7).eval()
    return model, export_onnx(model, header_for(request.param))


def some_frames(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE, dtype=np.float32)


def answers(model: EmotionModel, windows: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits: np.ndarray = model(torch.from_numpy(windows)).numpy()
    return logits


def test_both_files_answer_as_the_model_does(made: tuple[EmotionModel, Exported]) -> None:
    model, exported = made
    assert exported.max_abs_diff <= TOLERANCE
    frames = some_frames()
    expected = answers(model, frames[None])
    [window] = OnnxModel(exported.window).run({"frames": frames[None]})
    step = OnnxStep(exported.step)
    step.restart()
    for frame in frames[:, 0]:
        logits = step.step(frame)
    np.testing.assert_allclose(window, expected, atol=TOLERANCE)
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", WINDOW_ONLY)
def test_a_model_that_does_not_stream_is_a_window_of_any_number(name: str) -> None:
    torch.manual_seed(4)
    model = build_model(name, 7).eval()
    exported = export_onnx(model, header_for(name))
    assert exported.step is None
    for count in (1, 2, 5):
        windows = np.stack([some_frames(seed) for seed in range(count)])
        [logits] = OnnxModel(exported.window).run({"frames": windows})
        np.testing.assert_allclose(logits, answers(model, windows), atol=TOLERANCE)
    with pytest.raises(ModelError, match=re.escape(f"model {name} cannot read one frame at a time")):
        export_step(model, header_for(name))


@pytest.mark.parametrize("scheme", OUTPUTS)
def test_a_file_says_how_its_numbers_are_read(scheme: str) -> None:
    labels, (output, words) = scheme_by_name(scheme), OUTPUTS[scheme]
    torch.manual_seed(4)
    model = build_model("pixels", len(labels.classes), labels.output).eval()
    header = OnnxModel(export_onnx(model, header_for("pixels", scheme)).window).header
    assert (header.classes, header.output) == (labels.classes, output)
    assert words in header.reading


def test_a_step_serves_as_many_streams_as_are_asked_for(made: tuple[EmotionModel, Exported]) -> None:
    step = OnnxStep(made[1].step)
    for streams in (1, 5):
        step.restart(streams)
        logits = step.step(some_frames()[0, 0])
        assert logits.shape == (streams, 7)
        np.testing.assert_allclose(logits, logits[:1].repeat(streams, 0), atol=1e-6)


def test_a_file_says_what_it_is(made: tuple[EmotionModel, Exported]) -> None:
    model, exported = made
    for file in (exported.step, exported.window):
        header = OnnxModel(file).header
        assert header == exported.header
        assert (header.model, header.scheme, header.input_shape) == (model.name, "basic-7", SHAPE)
        assert header.classes[0] == "neutral"
        assert (header.output, header.reading) == ("categorical", "their softmax is the probability of each class")
        assert header.model_hash == weights_hash(model.state_dict())


def test_the_model_is_left_as_it_was(made: tuple[EmotionModel, Exported]) -> None:
    model, exported = made
    assert weights_hash(model.state_dict()) == exported.header.model_hash
    model(torch.rand(2, *SHAPE)).sum().backward()
    assert model.classifier.linear.weight.grad is not None
    model.zero_grad()


def test_other_weights_than_the_model_s_are_not_handed_out(
    made: tuple[EmotionModel, Exported], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, exported = made
    other = build_model(model.name, 7).eval()
    broken = build_model(model.name, 7).eval()
    with torch.no_grad():
        broken.classifier.linear.bias.fill_(torch.nan)
    monkeypatch.setattr(module, "_export_window", lambda *_: exported.window)
    monkeypatch.setattr(module, "_export_step", lambda *_: exported.step)
    assert export_onnx(model, header_for(model.name)).max_abs_diff <= TOLERANCE
    for wrong in (other, broken):
        with pytest.raises(ModelError, match=f"exported model {model.name} does not answer as the model does"):
            export_onnx(wrong, header_for(model.name))


def test_a_step_that_is_wrong_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right = AttentionPooling.step

    def forgetful(self, state, top, total, weight):
        return right(self, state, top, total * 0.9, weight)

    monkeypatch.setattr(AttentionPooling, "step", forgetful)
    torch.manual_seed(4)
    with pytest.raises(ModelError, match=r"a logit is off by .* and 0\.0001 is allowed"):
        export_onnx(build_model("cnn-gru", 7), header_for("cnn-gru"))


@pytest.mark.parametrize("file", [b"", b"not onnx"])
def test_what_was_not_exported_here_is_refused(file: bytes) -> None:
    with pytest.raises(ModelError, match="exported model cannot be used"):
        OnnxModel(file)
