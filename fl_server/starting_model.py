"""The model that a federation starts from, as its settings name it."""

from fl_server.settings import ModelSettings
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import WeightsHeader


def starting_model(chosen: ModelSettings) -> tuple[EmotionModel, WeightsHeader, frozenset[str]]:
    """The model, its header, and the digests of what it was trained on. Raises ModelError where it cannot be had."""
    return initial_model(chosen.initial, chosen.name, chosen.scheme, INPUT_SHAPE)
