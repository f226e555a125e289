"""What the model looked at: worked out from the last window with the weights that are read with, and kept nowhere."""

import logging

import cv2
import numpy as np
import pytest

from fl_client.live.explaining import WindowExplainer
from shared_models.data.synthetic.sequences import render_labels
from shared_models.errors import ModelError
from shared_models.evaluation.explanation import explain
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, save_model


class Seen:
    """A reader that has seen this window."""

    def __init__(self, frames):
        self.frames = frames

    def window(self):
        return self.frames


@pytest.fixture(scope="module")
def face():
    return render_labels(["surprise"], seed=4, people=[2100]).frames[0]


def everything_in(folder):
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_it_explains_the_last_window_and_keeps_nothing(reading_laptop, starter, face, caplog):
    home, policy = reading_laptop.home, reading_laptop.enrolment.policy
    before = everything_in(home.root)
    with caplog.at_level(logging.DEBUG):
        explained = WindowExplainer(Seen(face), home, policy).explain()
    assert everything_in(home.root) == before
    assert caplog.records == []
    expected = explain(starter[0], face)
    np.testing.assert_array_equal(explained.explanation.heat, expected.heat)
    np.testing.assert_array_equal(explained.explanation.weights, expected.weights)
    assert explained.classes[explained.explanation.class_index] == "surprise"
    assert cv2.imdecode(np.frombuffer(explained.picture, np.uint8), cv2.IMREAD_COLOR).shape == (268, 840, 3)


def test_the_study_s_newest_weights_go_first(reading_laptop, face):
    home, policy = reading_laptop.home, reading_laptop.enrolment.policy
    model = build_model(policy.model, 7)
    header = WeightsHeader(model=policy.model, scheme=policy.scheme, input_shape=face.shape, training_data="none")
    save_model(home.model, model, header)
    explained = WindowExplainer(Seen(face), home, policy).explain()
    np.testing.assert_array_equal(explained.explanation.outputs, explain(model, face).outputs)


def test_without_a_window_there_is_nothing(reading_laptop):
    assert WindowExplainer(Seen(None), reading_laptop.home, reading_laptop.enrolment.policy).explain() is None


def test_without_weights_it_says_so(reading_laptop, face):
    policy = reading_laptop.enrolment.policy.model_copy(update={"model": "cnn-gru"})
    with pytest.raises(ModelError, match="no starter weights"):
        WindowExplainer(Seen(face), reading_laptop.home, policy).explain()
