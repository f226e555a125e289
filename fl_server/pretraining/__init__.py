"""Public pretraining: first the encoder on single frames, then temporal model and classifier on frozen features.

Nothing here is private: it runs on public or rendered data, before any device takes part.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fl_server.pretraining.checkpoint import Journal, Stopped
from fl_server.pretraining.encoder import encoder_stage
from fl_server.pretraining.fitting import Fit, Stage
from fl_server.pretraining.recipe import Recipe
from fl_server.pretraining.temporal import temporal_stage
from shared_models.canonical import canonical_hash
from shared_models.data.labels import scheme_by_name
from shared_models.data.remembered import digests_of, together
from shared_models.data.sequences import INPUT_SHAPE, Sequences, joined
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_public
from shared_models.data.stills import to_sequences
from shared_models.errors import ModelError, UsageError
from shared_models.files import only_one
from shared_models.networks.backbone import Backbone
from shared_models.networks.model import EmotionModel
from shared_models.networks.outputs import output_by_name
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

__all__ = ["Order", "Public", "Recipe", "Run", "Stopped", "load_data", "pretrain", "pretrain_to", "raising"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Order:
    """What to pretrain: a model for a label scheme, on one or more data sources.

    encoder:  a weights file whose encoder is taken as it is; without one it is trained
    backbone: a file of torchvision's weights, from which training the encoder begins
    """

    model: str
    scheme: str
    data: tuple[str, ...]
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    encoder: Path | None = None
    backbone: Path | None = None


def pretrain_to(
    path: Path, order: Order, progress: Progress, stopping: Callable[[], bool] = lambda: False
) -> tuple[float, float]:
    """Pretrains on the public part of the data, writes the weights to `path`, and says what it took: (wall, cpu) s.

    A run that was stopped or killed goes on from the checkpoint beside `path`, and ends in the same weights as one
    that was not. Raises Stopped, with what was done kept, soon after `stopping()`; DataError where the data cannot
    be used, UsageError where the recipe does not fit the scheme, CheckpointError where the checkpoint is another run's,
    StorageError where `path` cannot be written.
    """
    order.recipe.check_fits(output_by_name(scheme_by_name(order.scheme).output))
    with only_one(path.with_suffix(".lock"), f"Pretraining to {path}"):
        public = load_data(order.data, order.scheme, order.seed, progress, stopping)
        return Run(order, public).to(path, progress, stopping)


@dataclass(frozen=True)
class Public:
    """Data that may be trained on. words: what they are; seen: what weights remember of them."""

    sequences: Sequences
    words: str
    seen: frozenset[str]


def load_data(
    sources: tuple[str, ...], scheme: str, seed: int, progress: Progress, stopping: Callable[[], bool]
) -> Public:
    """The public parts of all `sources`; stills become sequences where other sources hold sequences.

    Raises Stopped soon after `stopping()`, UsageError where a source is named twice.
    """
    if len(set(sources)) < len(sources):
        raise UsageError("A data source is named twice", fix="Name each once")
    specs, follow = [parse_spec(source) for source in sources], raising(progress, stopping)
    loaded = [load_public(spec, scheme_by_name(scheme), seed, follow) for spec in specs]
    parts = [data for data, _ in loaded]
    seen = set[str]()
    for spec, data in zip(specs, parts, strict=True):
        seen = together(seen, digests_of(spec.kind, data))
    if len({part.frames.shape[1] for part in parts}) > 1:
        parts = [to_sequences(part) if part.frames.shape[1] == 1 else part for part in parts]
    return Public(
        sequences=parts[0] if len(parts) == 1 else joined(parts),
        words="; ".join(words for _, words in loaded),
        seen=frozenset(seen),
    )


def raising(progress: Progress, stopping: Callable[[], bool]) -> Progress:
    """`progress` for work that keeps what is done by itself, such as finding faces: raises Stopped when told to."""

    def told(stage: str, done: int, total: int) -> None:
        progress(stage, done, total)
        if stopping():
            raise Stopped

    return told


class Run:
    """One pretraining on data that are loaded: a fresh model, which ends as a weights file.

    id: hash of all that decides the outcome: fresh weights, data, recipe and seed. Where the data lie does not.
    """

    def __init__(self, order: Order, public: Public) -> None:
        """Raises ModelError where weights that `order` names do not fit."""
        data, description = public.sequences, public.words
        self._order, self._data = order, data
        torch.manual_seed(order.seed)
        scheme = data.scheme
        self._model, given = build_model(order.model, len(scheme.classes), scheme.output), frozenset[str]()
        if order.encoder is not None:
            words, given = _take_encoder(self._model, order.encoder)
            description = f"{description}; encoder: {words}"
        if order.backbone is not None:
            description = f"{description}; encoder begun from {_begin_from(self._model, order.backbone)}"
        self._description = description
        self._seen = sorted(together(given, public.seen))
        self.id = canonical_hash(
            {
                "weights": weights_hash(self._model.state_dict()),
                "scheme": order.scheme,
                "data": sorted(data.digests),
                "recipe": order.recipe.model_dump(),
                "seed": order.seed,
            }
        )

    def to(self, path: Path, progress: Progress, stopping: Callable[[], bool]) -> tuple[float, float]:
        """Trains and writes, once; goes on and raises as `pretrain_to` does."""
        order, model = self._order, self._model
        journal = Journal(path.with_suffix(".checkpoint"), self.id, stopping)
        with_encoder = order.encoder is None and any(True for _ in model.encoder.parameters())
        pretrain(model, self._data, order.recipe, order.seed, progress, journal, with_encoder=with_encoder)
        header = WeightsHeader(
            model=order.model,
            scheme=order.scheme,
            input_shape=INPUT_SHAPE,
            training_data=self._description,
        )
        save_model(path, model, header, self._seen)
        journal.remove()
        return journal.spent()


def pretrain(
    model: EmotionModel,
    data: Sequences,
    recipe: Recipe,
    seed: int,
    progress: Progress,
    journal: Journal,
    *,
    with_encoder: bool = True,
) -> None:
    """Trains `model` in place on `data`; `progress(stage, done, total)` follows each step."""

    def fit(stage: Stage, from_state: dict[str, Any] | None) -> None:
        fitting = Fit(stage, recipe.weight_decay, recipe.average_decay, seed)
        if from_state is not None:
            fitting.restore(from_state)

        def after_step() -> None:
            progress(stage.name, fitting.step, stage.steps)
            journal.note(lambda: _place(stage.name, model, fitting.state()))

        fitting.run(after_step)

    kept = journal.read() or _place("encoder" if with_encoder else "temporal", model)
    if kept["stage"] == "encoder":
        fit(encoder_stage(model, data, recipe), kept["fit"])
        kept = _place("temporal", model)
        journal.write(kept)
    model.encoder.load_state_dict(kept["encoder"])

    def between(name: str, done: int, total: int) -> None:
        progress(name, done, total)
        journal.note(lambda: kept)

    fit(temporal_stage(model, data, recipe, seed, between), kept["fit"])
    model.eval()


def _place(stage: str, model: EmotionModel, fit: dict[str, Any] | None = None) -> dict[str, Any]:
    """Where a run is: in `stage`, which `fit` has begun where it is given, with this encoder."""
    return {"stage": stage, "fit": fit, "encoder": model.encoder.state_dict()}


def _take_encoder(model: EmotionModel, path: Path) -> tuple[str, frozenset[str]]:
    """Gives `model` the encoder in `path`; what that was trained on, in words, and the digests of it."""
    other, header, seen = load_model(path)
    try:
        model.encoder.load_state_dict(other.encoder.state_dict())
    except RuntimeError as error:
        raise ModelError(
            f"The encoder in {path.name} does not fit the model {model.name}",
            why=f"it belongs to {header.model}",
            fix="Name weights of a model with the same encoder",
        ) from error
    return header.training_data, seen


def _begin_from(model: EmotionModel, path: Path) -> str:
    """Gives the encoder of `model` torchvision's weights; says which they are."""
    if not isinstance(model.encoder, Backbone):
        raise ModelError(
            f"The encoder of {model.name} is not one of torchvision's",
            fix="Leave --backbone out, or use a model such as mobilenet-lstm",
        )
    model.encoder.load_torchvision(path)
    return f"torchvision's {model.encoder.name}"
