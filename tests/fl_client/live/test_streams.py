"""At every frame the answer is the windowed model's for the last T frames."""

import numpy as np
import pytest
import torch

from fl_client.live.streams import WindowStreams
from shared_models.data.transforms import to_input
from shared_models.errors import ModelError
from shared_models.networks.onnx_export import export_step
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader

FRAMES = 40


@pytest.fixture(scope="module")
def crops():
    """(N, 48, 48) uint8 that change from one to the next."""
    rng = np.random.default_rng(3)
    ends = rng.integers(0, 256, (2, 48, 48))
    mix = np.linspace(0, 1, FRAMES)[:, None, None]
    return (mix * ends[0] + (1 - mix) * ends[1] + rng.integers(0, 20, (FRAMES, 48, 48))).clip(0, 255).astype(np.uint8)


@torch.no_grad()
def windowed(model, crops):
    return model(to_input(crops)[None, :, None]).softmax(dim=1)[0].numpy()


def test_it_answers_for_exactly_the_last_window(starter, crops):
    model, exported = starter
    streams = WindowStreams(exported.step)
    assert streams.window == 16
    for t, crop in enumerate(crops):
        last = crops[max(0, t - 15) : t + 1]
        np.testing.assert_allclose(streams.step(crop), windowed(model, last), atol=1e-4)
        assert streams.seen == len(last)


def test_what_was_before_a_restart_is_forgotten(starter, crops):
    model, exported = starter
    streams = WindowStreams(exported.step)
    for crop in crops[:23]:
        streams.step(crop)
    streams.restart()
    assert streams.seen == 0
    for crop in crops[:20]:
        answer = streams.step(crop)
    np.testing.assert_allclose(answer, windowed(model, crops[4:20]), atol=1e-4)


def test_numbers_that_are_no_distribution_are_not_shown_as_one():
    model = build_model("rnn", 2, "values").eval()
    header = WeightsHeader(model="rnn", scheme="valence-arousal", input_shape=(16, 1, 48, 48), training_data="none")
    with pytest.raises(ModelError, match="does not know the output values"):
        WindowStreams(export_step(model, header))


def test_a_window_file_is_no_step(starter):
    with pytest.raises(ModelError, match="no streaming step"):
        WindowStreams(starter[1].window)
