"""Models side by side on one held-out set, emotion by emotion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from shared_models.evaluation.metrics import Metrics, score
from shared_models.evaluation.paired import middle_95, redrawn_macro_f1


class _Facts(BaseModel):
    """The text below a field is its documentation; docs/comparison.md lists every one."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EmotionScore(_Facts):
    """One emotion against all others."""

    accuracy: float
    """share of all sequences that are rightly called this emotion or rightly not, mean over runs, like those below"""
    precision: float
    """of those called this emotion, the share that are; 0 where none is called so"""
    recall: float
    """of those that are this emotion, the share found; 0 where there is none"""
    f1: float
    """harmonic mean of precision and recall"""


class ComparedRun(_Facts):
    """One set of weights, and what it scores."""

    weights: str
    """SHA-256 of the weights, in hex"""
    seed: int | None
    """what they were trained with; `null` for a file that was named"""
    training_data: str
    """what they were trained on, in words"""
    metrics: Metrics
    """all its scores, as a round's"""


class Difference(_Facts):
    """How much more macro F1 than the first model."""

    macro_f1: float
    """mean over runs"""
    low: float
    """lower end of its 95 % interval: the bootstrap over people, the same ones for both models"""
    high: float
    """upper end"""
    by_run: list[float]
    """each run's to the first model's run of the same place; empty where they have not equally many"""


class ComparedModel(_Facts):
    """One architecture, and the means over its runs."""

    name: str
    """of the model, or of the file"""
    parameters: int
    """how many numbers it has"""
    encoder: str
    """where its frame encoder comes from, in words"""
    runs: list[ComparedRun]
    """one a seed, or one for a file"""
    by_emotion: dict[str, EmotionScore]
    """by emotion, in the order of the label scheme"""
    accuracy: float
    """share of sequences classified right"""
    uar: float
    """unweighted average recall over the emotions present"""
    macro_f1: float
    """mean F1 over the emotions present"""
    low: float
    """lower end of the 95 % interval of macro F1: the bootstrap over people"""
    high: float
    """upper end"""
    ece: float
    """expected calibration error, 15 bins"""
    difference: Difference | None
    """`null` for the first model"""


class SameTraining(_Facts):
    """How all models that were named were trained."""

    data: str
    """the data source, of which they saw the part for training"""
    seeds: list[int]
    """each model was trained once with each"""
    recipe: dict[str, bool | int | float | str]
    """every entry of the recipe"""


class Comparison(_Facts):
    """Models side by side."""

    sequences: int
    """how many score"""
    subjects: int
    """how many people they are of; 0 where nobody is named"""
    support: dict[str, int]
    """sequences of each emotion"""
    training: SameTraining | None
    """how they were trained; `null` where all of them are files"""
    models: list[ComparedModel]
    """in the order in which they were named"""


@dataclass(frozen=True)
class Answers:
    """What one set of weights answers to every held-out sequence: `probabilities` (N, K)."""

    weights: str
    seed: int | None
    training_data: str
    probabilities: np.ndarray


@dataclass(frozen=True)
class Entry:
    """A model that takes part, with the answers of each of its runs, at least one."""

    name: str
    parameters: int
    encoder: str
    runs: Sequence[Answers]


def compare(
    entries: Sequence[Entry],
    targets: np.ndarray,
    classes: tuple[str, ...],
    subjects: tuple[str | None, ...],
    training: SameTraining | None = None,
) -> Comparison:
    """Every entry scored on the same sequences, and against the first one.

    targets: (N,) int, indices into `classes`; subjects: N subject ids, None for a sequence of nobody known

    Raises DataError as `metrics.score` does.
    """
    scored = [[score(run.probabilities, targets, classes, subjects) for run in entry.runs] for entry in entries]
    drawn = [_drawn(entry, targets, classes, subjects) for entry in entries]
    models: list[ComparedModel] = []
    for entry, metrics, draws in zip(entries, scored, drawn, strict=True):
        difference = _difference(metrics, scored[0], draws - drawn[0]) if models else None
        models.append(_model(entry, metrics, draws, difference))
    return Comparison(
        sequences=len(targets),
        subjects=len({subject for subject in subjects if subject is not None}),
        support={name: one.support for name, one in scored[0][0].per_class.items()},
        training=training,
        models=models,
    )


def _drawn(entry: Entry, targets: np.ndarray, classes: tuple[str, ...], subjects: tuple[str | None, ...]) -> np.ndarray:
    """(draws,) macro F1, mean over the runs."""
    answers = [run.probabilities.argmax(axis=1) for run in entry.runs]
    return np.mean([redrawn_macro_f1(answer, targets, subjects, len(classes)) for answer in answers], axis=0)


def _model(entry: Entry, metrics: list[Metrics], draws: np.ndarray, difference: Difference | None) -> ComparedModel:
    low, high = middle_95(draws)
    return ComparedModel(
        name=entry.name,
        parameters=entry.parameters,
        encoder=entry.encoder,
        runs=[
            ComparedRun(weights=run.weights, seed=run.seed, training_data=run.training_data, metrics=own)
            for run, own in zip(entry.runs, metrics, strict=True)
        ],
        by_emotion=_by_emotion(metrics),
        accuracy=_mean(metrics, lambda own: own.accuracy),
        uar=_mean(metrics, lambda own: own.uar),
        macro_f1=_mean(metrics, lambda own: own.macro_f1),
        low=low,
        high=high,
        ece=_mean(metrics, lambda own: own.ece),
        difference=difference,
    )


def _difference(own: list[Metrics], first: list[Metrics], draws: np.ndarray) -> Difference:
    low, high = middle_95(draws)
    paired = zip(own, first, strict=True) if len(own) == len(first) else ()
    return Difference(
        macro_f1=_mean(own, lambda one: one.macro_f1) - _mean(first, lambda one: one.macro_f1),
        low=low,
        high=high,
        by_run=[mine.macro_f1 - theirs.macro_f1 for mine, theirs in paired],
    )


def _mean(metrics: list[Metrics], of: Callable[[Metrics], float]) -> float:
    return float(np.mean([of(own) for own in metrics]))


def _by_emotion(metrics: list[Metrics]) -> dict[str, EmotionScore]:
    means = np.mean([_rows(own) for own in metrics], axis=0)
    names = EmotionScore.model_fields
    return {
        emotion: EmotionScore(**dict(zip(names, map(float, row), strict=True)))
        for emotion, row in zip(metrics[0].per_class, means, strict=True)
    }


def _rows(metrics: Metrics) -> list[tuple[float, ...]]:
    """A row for each class: accuracy, precision, recall, F1."""
    confusion = np.array(metrics.confusion)
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * confusion.diagonal()
    accuracies = 1 - wrong / confusion.sum()
    return [
        (accuracy, own.precision, own.recall, own.f1)
        for accuracy, own in zip(accuracies, metrics.per_class.values(), strict=True)
    ]
