"""Models side by side on one held-out set, emotion by emotion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.confusion import rates_of
from shared_models.evaluation.metrics import Metrics, score
from shared_models.evaluation.resampling import Estimate, Unit, count_by_unit, estimate, macro_f1, unit_of, units_of


class EmotionScore(Documented):
    """One emotion against all others."""

    accuracy: float
    """share of all sequences that are rightly called this emotion or rightly not, mean over runs, like those below"""
    precision: float
    """of those called this emotion, the share that are; 0 where none is called so"""
    recall: float
    """of those that are this emotion, the share found; 0 where there is none"""
    f1: float
    """harmonic mean of precision and recall"""


class ComparedRun(Documented):
    """One set of weights, and what it scores."""

    weights: str
    """SHA-256 of the weights, in hex"""
    seed: int | None
    """what they were trained with; `null` for a file that was named"""
    training_data: str
    """what they were trained on, in words"""
    metrics: Metrics
    """all its scores, as a round's"""


class Difference(Documented):
    """How much more macro F1 than the first model."""

    macro_f1: Estimate
    """mean over runs; the interval is of draws of the same people for both models"""
    by_run: list[float]
    """each run's to the first model's run of the same place; empty where they have not equally many"""


class ComparedModel(Documented):
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
    macro_f1: Estimate
    """mean F1 over the emotions present"""
    ece: float
    """expected calibration error, 15 bins"""
    difference: Difference | None
    """`null` for the first model"""


class SameTraining(Documented):
    """How all models that were named were trained."""

    data: str
    """the data source, of which they saw the part for training"""
    seeds: list[int]
    """each model was trained once with each"""
    recipe: dict[str, bool | int | float | str]
    """every entry of the recipe"""


class Comparison(Documented):
    """Models side by side."""

    sequences: int
    """how many score"""
    unit: Unit
    """what the intervals draw: people with all their sequences, or single sequences where nobody is named"""
    units: int
    """how many of these there are"""
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
    units = units_of(subjects)
    scored = [[score(run.probabilities, targets, classes, subjects) for run in entry.runs] for entry in entries]
    counts = [[count_by_unit(targets, run.probabilities, units) for run in entry.runs] for entry in entries]
    models: list[ComparedModel] = []
    for entry, metrics, own in zip(entries, scored, counts, strict=True):
        difference = _difference(own, counts[0]) if models else None
        models.append(_model(entry, metrics, estimate(_mean_macro_f1, *own), difference))
    return Comparison(
        sequences=len(targets),
        unit=unit_of(subjects),
        units=len(set(units)),
        support={name: one.support for name, one in scored[0][0].per_class.items()},
        training=training,
        models=models,
    )


def _mean_macro_f1(*runs: np.ndarray) -> np.ndarray:
    """(..., K, K) counts of each run -> (...)."""
    return np.mean([macro_f1(counts) for counts in runs], axis=0)


def _difference(own: list[np.ndarray], first: list[np.ndarray]) -> Difference:
    def of(*runs: np.ndarray) -> np.ndarray:
        return _mean_macro_f1(*runs[: len(own)]) - _mean_macro_f1(*runs[len(own) :])

    paired = zip(own, first, strict=True) if len(own) == len(first) else ()
    return Difference(
        macro_f1=estimate(of, *own, *first),
        by_run=[float(macro_f1(mine.sum(axis=0)) - macro_f1(theirs.sum(axis=0))) for mine, theirs in paired],
    )


def _model(entry: Entry, metrics: list[Metrics], mean: Estimate, difference: Difference | None) -> ComparedModel:
    return ComparedModel(
        name=entry.name,
        parameters=entry.parameters,
        encoder=entry.encoder,
        runs=[
            ComparedRun(weights=run.weights, seed=run.seed, training_data=run.training_data, metrics=own)
            for run, own in zip(entry.runs, metrics, strict=True)
        ],
        by_emotion=_by_emotion(metrics),
        accuracy=float(np.mean([own.accuracy for own in metrics])),
        uar=float(np.mean([own.uar for own in metrics])),
        macro_f1=mean,
        ece=float(np.mean([own.ece for own in metrics])),
        difference=difference,
    )


def _by_emotion(metrics: list[Metrics]) -> dict[str, EmotionScore]:
    rates = rates_of(np.array([own.confusion for own in metrics]))  # (runs, K) each
    means = {name: getattr(rates, name).mean(axis=0) for name in EmotionScore.model_fields}
    return {
        emotion: EmotionScore(**{name: float(values[place]) for name, values in means.items()})
        for place, emotion in enumerate(metrics[0].per_class)
    }
