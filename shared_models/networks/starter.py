"""The weights that ship with Attune, one file for each label scheme that has them."""

from pathlib import Path

from shared_models.data.labels import scheme_by_name
from shared_models.errors import ModelError
from shared_models.networks.model import EmotionModel
from shared_models.networks.names import parse_name
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, load_model

_FOLDER = Path(__file__).parent.parent / "weights"


def initial_model(
    initial: str, name: str, scheme: str, input_shape: tuple[int, int, int, int]
) -> tuple[EmotionModel, WeightsHeader, frozenset[str]]:
    """The model to start from, its header, and the digests of what it was trained on.

    initial: `starter` (shipped weights), `random` (untrained), or the path of a weights file

    Raises ModelError where there is no such model, there are no such weights, or they are for another model or scheme.
    """
    parse_name(name)
    if initial == "random":
        labels = scheme_by_name(scheme)
        header = WeightsHeader(model=name, scheme=scheme, input_shape=input_shape, training_data="none")
        return build_model(name, len(labels.classes), labels.output).eval(), header, frozenset()
    path = _FOLDER / f"{name}-{scheme}.safetensors" if initial == "starter" else Path(initial)
    if initial == "starter" and not path.exists():
        raise ModelError(
            f"There are no starter weights for the model {name} and the scheme {scheme}",
            fix="Start from `random`, or from a file that `fl-server pretrain` wrote",
        )
    model, header, seen = load_model(path)
    if (header.model, header.scheme) != (name, scheme):
        raise ModelError(
            f"The weights in {path.name} are for {header.model} and {header.scheme}, not {name} and {scheme}",
            fix="Name other weights, or the model and scheme that these are for",
        )
    return model, header, seen
