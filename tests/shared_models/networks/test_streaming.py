"""After T frames from nothing, a stream has the windowed model's answer; however large the scores of its attention."""

import pytest
import torch
from torch import Tensor, nn

from shared_models.errors import ModelError
from shared_models.networks.model import Classifier, EmotionModel
from shared_models.networks.registry import build_model
from shared_models.networks.streaming import StreamingStep, streams

CLASSES, FRAMES = 7, 6
STREAMING = (
    "rnn",
    "edges-lstm",
    "cnn-lstm",
    "cnn-gru",
    "mobilenet-lstm",
    "efficientnet-lstm",
    "resnet-lstm",
    "cnn+cbam-lstm",
)


@pytest.fixture(params=STREAMING)
def model(request: pytest.FixtureRequest) -> EmotionModel:
    torch.manual_seed(6)
    return build_model(request.param, CLASSES).eval()


def some_frames(count: int = FRAMES) -> Tensor:
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def streamed(step: StreamingStep, frames: Tensor, streams: int = 1) -> list[Tensor]:
    """The logits (S, K) after each of frames (T, 1, H, W)."""
    state, answers = step.start(streams), []
    for frame in frames:
        logits, *state = step(frame[None], *state)
        answers.append(logits)
    return answers


@torch.no_grad()
def windowed(model: EmotionModel, frames: Tensor) -> Tensor:
    """(1, K)"""
    return model(frames[None])


def test_at_every_frame_a_stream_answers_as_the_window_so_far(model: EmotionModel) -> None:
    frames = some_frames()
    for t, logits in enumerate(streamed(StreamingStep(model), frames)):
        torch.testing.assert_close(logits, windowed(model, frames[: t + 1]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [-3e3, -200.0, 200.0, 3e3])
def test_the_running_attention_never_overflows(model: EmotionModel, scale: float) -> None:
    with torch.no_grad():
        model.classifier.pool.score.weight.mul_(scale)
        model.classifier.pool.score.bias.fill_(scale)
    frames = some_frames()
    torch.testing.assert_close(
        streamed(StreamingStep(model), frames)[-1], windowed(model, frames), atol=1e-5, rtol=1e-4
    )


def test_streams_are_apart(model: EmotionModel) -> None:
    """One that starts later knows nothing of what came before, and the others do not notice."""
    step, frames = StreamingStep(model), some_frames()
    state = step.start(3)
    with torch.no_grad():
        for t, frame in enumerate(frames):
            if t == 2:
                for value in state:
                    value[1] = 0
            logits, *state = step(frame[None], *state)
    for stream, first in ((0, 0), (1, 2), (2, 0)):
        torch.testing.assert_close(logits[stream, None], windowed(model, frames[first:]), atol=1e-5, rtol=0)


def test_a_model_that_needs_all_frames_at_once_is_refused_by_name() -> None:
    both_ways = EmotionModel("both-ways", nn.Flatten(), nn.LSTM(256, 8, bidirectional=True), Classifier(16, CLASSES))
    assert not streams(both_ways)
    with pytest.raises(ModelError, match=r"model both-ways cannot read one frame at a time.*cnn-lstm"):
        StreamingStep(both_ways)
