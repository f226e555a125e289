"""Scores models side by side, by name or by file: `fl-server evaluate --compare cnn,rnn,cnn-lstm`."""

from collections.abc import Sequence
from pathlib import Path

from fl_server.evaluation.compared import Trainer
from fl_server.pretraining import Stopped
from shared_models.errors import DataError, ModelError, UsageError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.comparison import Answers, Comparison, Entry, compare
from shared_models.networks.names import parse_name
from shared_models.networks.weights import load_model, weights_hash

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


def compare_models(models: Sequence[str], trainer: Trainer) -> Comparison:
    """Scores of each of `models` on what the trainer holds out; trains what is missing.

    Raises as the trainer does, Stopped also while it scores; ModelError where a file is no weights for this label
    scheme, DataError where its model was trained on what scores.
    """
    names = tuple(model for model in models if not _is_file(model))
    trained = trainer.weights_of(names) if names else {}
    files = {model: trained.get(model) or [Path(model)] for model in models}
    benchmark, total = Benchmark(trainer.held_out), sum(map(len, files.values()))
    entries: list[Entry] = []
    done = 0
    for model, paths in files.items():
        seeds = trainer.training.seeds if model in trained else (None,)
        runs = []
        for path, seed in zip(paths, seeds, strict=True):
            parameters, answers = _answers(path, seed, benchmark)
            runs.append(answers)
            done += 1
            trainer.progress("scores", done, total)
            if trainer.stopping():
                raise Stopped
        encoder = trainer.training.encoder_words(model) if model in trained else "as the file has it"
        entries.append(Entry(_label(model), parameters, encoder, runs))
    data = trainer.held_out
    alike = trainer.training.facts() if trained else None
    return compare(entries, data.labels, data.scheme.classes, data.subjects, alike)


def _answers(path: Path, seed: int | None, benchmark: Benchmark) -> tuple[int, Answers]:
    """How many parameters the model in `path` has, and what it answers."""
    model, header, seen = load_model(path)
    scheme = benchmark.sequences.scheme.name
    if header.scheme != scheme:
        raise ModelError(f"The weights in {path.name} are for the label scheme {header.scheme}, not {scheme}")
    if known := seen.intersection(benchmark.sequences.digests):
        raise DataError(
            f"The weights in {path.name} cannot be scored on this data",
            why=f"they were trained on {len(known)} of its sequences",
            fix="Name data that nobody has trained on",
        )
    answers = Answers(weights_hash(model.state_dict()), seed, header.training_data, benchmark.probabilities(model))
    return sum(parameter.numel() for parameter in model.parameters()), answers


def _is_file(model: str) -> bool:
    return model.endswith(_SUFFIX)


def _label(model: str) -> str:
    return Path(model).name.removesuffix(_SUFFIX) if _is_file(model) else model
