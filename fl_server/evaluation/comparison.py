"""Scores models side by side, by name or by file: `fl-server evaluate --compare cnn,rnn,cnn-lstm`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fl_server.evaluation.compared import Trainer, Training
from fl_server.pretraining import Recipe, Stopped
from shared_models.data.sequences import Sequences
from shared_models.data.sources import parse_spec
from shared_models.errors import DataError, ModelError, UsageError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.comparison import Answers, Comparison, Entry, compare
from shared_models.networks.model import EmotionModel
from shared_models.networks.names import parse_name
from shared_models.networks.weights import WeightsHeader, load_model, weights_hash

_SUFFIX = ".safetensors"


def parse_models(text: str) -> tuple[str, ...]:
    """Names of models and paths of weights files, parted by commas, in order.

    Raises UsageError where one is there twice or there is none, ModelError where a name is no model's.
    """
    models = tuple(part.strip() for part in text.split(",") if part.strip())
    labels = [_label(model) for model in models]
    if not models or len(set(labels)) < len(labels):
        raise UsageError(f"'{text}' does not name different models", fix="Write it as cnn,rnn,cnn-lstm")
    for model in models:
        if not _is_file(model):
            parse_name(model)
    return models


@dataclass(frozen=True)
class Contest:
    """Which models are compared, and how those that are names are trained; where it names no data, on what scores."""

    models: tuple[str, ...]
    train_on: str | None
    seeds: tuple[int, ...]
    recipe: Recipe
    encoder: Path | None

    def training(self, data: str) -> Training:
        return Training(self.train_on or data, self.seeds, self.recipe, self.encoder)


def parse_contest(models: str, train_on: str | None, seeds: str, recipe: Recipe, encoder: Path | None) -> Contest:
    """Raises UsageError or ModelError, before anything is trained, where something of it is wrong."""
    if train_on is not None:
        parse_spec(train_on)
    return Contest(parse_models(models), train_on, parse_seeds(seeds), recipe, encoder)


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0,1,2`; raises UsageError where that is no list of different whole numbers from 0."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise UsageError(f"'{text}' is no list of different seeds", fix="Write it as 0,1,2")
    return tuple(map(int, parts))


def compare_models(models: Sequence[str], trainer: Trainer) -> Comparison:
    """Scores of each of `models` on what the trainer holds out; trains what is missing, once files are seen to fit.

    Raises as the trainer does, Stopped also while it scores; ModelError where a file is no weights for this label
    scheme, DataError where its model was trained on what scores, or a sequence of the label scheme is not of one class.
    """
    data, training = trainer.held_out, trainer.training
    targets = data.labels
    benchmark = Benchmark(data)
    weights = {model: [_load(Path(model), None, data)] for model in models if _is_file(model)}
    names = tuple(model for model in models if model not in weights)
    for name, paths in (trainer.weights_of(names) if names else {}).items():
        weights[name] = [_load(path, seed, data) for path, seed in zip(paths, training.seeds, strict=True)]
    answers: dict[str, list[Answers]] = {model: [] for model in models}
    runs = [(model, one) for model in models for one in weights[model]]
    for done, (model, one) in enumerate(runs, start=1):
        answers[model].append(_answers(one, benchmark))
        trainer.progress("scores", done, len(runs))
        if trainer.stopping():
            raise Stopped
    entries = [
        Entry(
            name=_label(model),
            parameters=sum(parameter.numel() for parameter in weights[model][0].model.parameters()),
            encoder=training.encoder_words(model) if model in names else "as the file has it",
            runs=answers[model],
        )
        for model in models
    ]
    return compare(entries, targets, data.scheme.classes, data.subjects, training.facts() if names else None)


@dataclass(frozen=True)
class _Weights:
    model: EmotionModel
    header: WeightsHeader
    seed: int | None


def _load(path: Path, seed: int | None, held_out: Sequences) -> _Weights:
    model, header, seen = load_model(path)
    if header.scheme != held_out.scheme.name:
        raise ModelError(
            f"The weights in {path.name} are for the label scheme {header.scheme}, not {held_out.scheme.name}",
            fix="Name other weights",
        )
    if known := seen.intersection(held_out.digests):
        raise DataError(
            f"The weights in {path.name} cannot be scored on this data",
            why=f"they were trained on {len(known)} of its sequences",
            fix="Name data that nobody has trained on",
        )
    return _Weights(model, header, seed)


def _answers(weights: _Weights, benchmark: Benchmark) -> Answers:
    return Answers(
        weights=weights_hash(weights.model.state_dict()),
        seed=weights.seed,
        training_data=weights.header.training_data,
        probabilities=benchmark.probabilities(weights.model),
    )


def _is_file(model: str) -> bool:
    return model.endswith(_SUFFIX)


def _label(model: str) -> str:
    return Path(model).name.removesuffix(_SUFFIX) if _is_file(model) else model
