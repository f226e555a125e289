"""The model that a federation starts from, as its settings name it."""

from fl_server.settings import ModelSettings
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import WeightsHeader

INPUT_SHAPE = (SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE)


def starting_model(chosen: ModelSettings) -> tuple[EmotionModel, WeightsHeader, frozenset[str]]:
    """The model, its header, and the digests of what it was trained on. Raises ModelError where it cannot be had."""
    return initial_model(chosen.initial, chosen.name, chosen.scheme, INPUT_SHAPE)
