"""Which model is evaluated, and what is known of its way there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.models.listing import list_models
from fl_server.settings import Settings
from fl_server.starting_model import starting_model
from shared_models.errors import CheckpointError, ModelError, RoundError, UsageError
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader, load_model, weights_hash

BEST = "best"
_UNTRAINED = "none"


@dataclass(frozen=True)
class Chosen:
    """A model, and where it comes from.

    how:  how it was chosen, in words
    by_scores: whether that was by the rounds' own scores
    seen: digests of what its weights were trained on before any device; None where that is not known
    """

    model: EmotionModel
    header: WeightsHeader
    source: Literal["round", "initial", "weights"]
    round: int | None
    how: str
    by_scores: bool
    seen: frozenset[str] | None


def choose(folder: FederationFolder, settings: Settings, round_: str | None, weights: Path | None) -> Chosen:
    """The model in the file `weights`, or that of `round_`: a number, or `best`; the current one where both are None.

    A federation without any round has the model that it would start from. It reads only.

    Raises UsageError where both are given or `round_` is neither, RoundError where there is no round yet that could be
    the best, CheckpointError where a round's weights are not there, ModelError where weights cannot be used.
    """
    if weights is not None:
        if round_ is not None:
            raise UsageError("A weights file is of no round", fix="Give --weights or --round")
        return _of_file(weights)
    if round_ is None and not Checkpoints(folder.checkpoints).rounds():
        return _initial(settings)
    return _of_round(folder, settings, round_)


def _of_file(path: Path) -> Chosen:
    model, header, seen = load_model(path)
    return Chosen(model, header, "weights", None, f"the weights in {path.name}", False, _known(header, seen))


def _initial(settings: Settings) -> Chosen:
    torch.manual_seed(0)  # of `random` weights, so that they score the same each time
    model, header, seen = starting_model(settings.model)
    how = f"the federation's starting weights, `{settings.model.initial}`: there is no round yet"
    return Chosen(model, header, "initial", None, how, False, _known(header, seen))


def _of_round(folder: FederationFolder, settings: Settings, wanted: str | None) -> Chosen:
    number, how = _number(folder, settings, wanted)
    model, record = Checkpoints(folder.checkpoints).load(number)
    seen = _seen_before(folder, settings, record.header)
    return Chosen(model, record.header, "round", number, how, wanted == BEST, seen)


def _number(folder: FederationFolder, settings: Settings, wanted: str | None) -> tuple[int, str]:
    if wanted is not None and wanted != BEST:
        if not wanted.isdecimal():
            raise UsageError(f"There is no round '{wanted}'", fix=f"Give a number, or `{BEST}`")
        return int(wanted), "named by whoever ran the evaluation"
    models = list_models(folder)
    mark = "best" if wanted == BEST else "current"
    found = next((model.round for model in models if getattr(model, mark)), None)
    if found is None:
        raise RoundError(
            "There is no round to choose from", fix=f"Start the federation with `fl-server start {folder.root}`"
        )
    if wanted == BEST:
        return found, f"the highest {settings.checkpoints.best_by} of the rounds, by their own scores"
    return found, "the last round, from which the next one starts"


def _seen_before(folder: FederationFolder, settings: Settings, header: WeightsHeader) -> frozenset[str] | None:
    """What the weights of round 0 were trained on: the settings' weights say it, where they are still the same."""
    if header.training_data == _UNTRAINED:
        return frozenset()
    try:
        model, header, seen = starting_model(settings.model)
        same = weights_hash(model.state_dict()) == Checkpoints(folder.checkpoints).record(0).model_hash
    except (ModelError, CheckpointError):
        return None
    return _known(header, seen) if same else None


def _known(header: WeightsHeader, seen: frozenset[str]) -> frozenset[str] | None:
    """None for trained weights that list nothing: not every program that writes a file lists it."""
    return seen if seen or header.training_data == _UNTRAINED else None
