"""A model's size in a few figures, as results name it."""

from typing import Any

from shared_models.networks.model import EmotionModel


def describe_model(model: EmotionModel, part: str) -> dict[str, Any]:
    """Its name, how many parameters it has, and how many of them `part` has, which a federation trains."""
    return {
        "name": model.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "trainable": part,
        "trained_parameters": sum(p.numel() for p in model.trainable(part).values()),
    }
