"""Models by name. A federation's policy names one; server, devices and simulations build the same."""

from collections.abc import Callable

from shared_models.errors import ModelError
from shared_models.networks.layers import CompactEncoder
from shared_models.networks.mobilenet import MobileNetEncoder
from shared_models.networks.model import Classifier, EmotionModel, GruStates, LstmStates

_HIDDEN = 128


def _cnn_lstm(classes: int) -> EmotionModel:
    encoder = CompactEncoder()
    return EmotionModel("cnn-lstm", encoder, LstmStates(encoder.features, _HIDDEN), Classifier(_HIDDEN, classes))


def _cnn_gru(classes: int) -> EmotionModel:
    encoder = CompactEncoder()
    return EmotionModel("cnn-gru", encoder, GruStates(encoder.features, _HIDDEN), Classifier(_HIDDEN, classes))


def _mobilenet_lstm(classes: int) -> EmotionModel:
    encoder = MobileNetEncoder()
    return EmotionModel("mobilenet-lstm", encoder, LstmStates(encoder.features, _HIDDEN), Classifier(_HIDDEN, classes))


_MODELS: dict[str, Callable[[int], EmotionModel]] = {
    "cnn-lstm": _cnn_lstm,
    "cnn-gru": _cnn_gru,
    "mobilenet-lstm": _mobilenet_lstm,
}


def build_model(name: str, classes: int) -> EmotionModel:
    """A freshly initialised model `name` with `classes` outputs; raises ModelError where there is none."""
    if name not in _MODELS:
        raise ModelError(f"There is no model '{name}'", fix=f"Use one of: {', '.join(_MODELS)}")
    return _MODELS[name](classes)
