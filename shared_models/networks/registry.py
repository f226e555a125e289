"""Models by name. A federation's policy names one; server, devices and simulations build the same."""

from collections.abc import Callable

from torch import nn

from shared_models.networks.attention import attention_by_name
from shared_models.networks.bidirectional import BiGruStates, BiLstmStates
from shared_models.networks.compact import CompactEncoder
from shared_models.networks.conv3d import Conv3dStates
from shared_models.networks.convlstm import ConvLstmStates
from shared_models.networks.edges import EdgeEncoder
from shared_models.networks.efficientnet import EfficientNetEncoder
from shared_models.networks.frames import FrameEncoder
from shared_models.networks.mobilenet import MobileNetEncoder
from shared_models.networks.model import Classifier, EmotionModel, GruStates, LstmStates
from shared_models.networks.names import parse_name
from shared_models.networks.outputs import output_by_name
from shared_models.networks.pixels import PixelEncoder
from shared_models.networks.pooling import AttentionPooling, MeanPooling
from shared_models.networks.resnet import ResNetEncoder

_HIDDEN, _WIDTH = 128, 64

_ENCODERS: dict[str, Callable[[], FrameEncoder]] = {
    "cnn": CompactEncoder,
    "mobilenet": MobileNetEncoder,
    "efficientnet": EfficientNetEncoder,
    "resnet": ResNetEncoder,
    "pixels": PixelEncoder,
    "edges": EdgeEncoder,
}
_OVER_FEATURES: dict[str, Callable[[int, int], nn.Module]] = {
    "lstm": LstmStates,
    "gru": GruStates,
    "bilstm": BiLstmStates,
    "bigru": BiGruStates,
}


def build_model(name: str, classes: int, output: str = "categorical") -> EmotionModel:
    """A freshly initialised model `name` with `classes` outputs; raises ModelError where there is none.

    output: what these are, as the label scheme says
    """
    parts = parse_name(name)
    encoder = _ENCODERS[parts.encoder]()
    encoder.attention = attention_by_name(parts.attention, encoder.channels)
    temporal, states = _temporal(parts.temporal, encoder)
    pool = AttentionPooling(states) if parts.temporal else MeanPooling()
    return EmotionModel(name, encoder, temporal, Classifier(states, classes, pool), output_by_name(output))


def _temporal(name: str, encoder: FrameEncoder) -> tuple[nn.Module, int]:
    """The temporal model and the width of its states; an encoder whose maps it takes is set to give them."""
    if name in _OVER_FEATURES:
        return _OVER_FEATURES[name](encoder.features, _HIDDEN), _HIDDEN
    if name == "convlstm":
        encoder.pooled = False
        return ConvLstmStates(encoder.channels, _WIDTH), _WIDTH
    if name == "conv3d-lstm":
        encoder.pooled = False
        return Conv3dStates(encoder.channels, _WIDTH, _HIDDEN), _HIDDEN
    return nn.Identity(), encoder.features
