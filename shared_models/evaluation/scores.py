"""A model's scores as `fl-server evaluate` and `fl-sim run` write them: what a benchmark says, in full."""

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.confusion import rates_of
from shared_models.evaluation.metrics import Metrics, SubjectSpread


class ClassScores(Documented):
    """One class against all others."""

    accuracy: float
    """share of all sequences that are rightly called this class or rightly not"""
    precision: float
    """of those called this class, the share that are; 0 where none is called so"""
    recall: float
    """of those that are this class, the share found; 0 where there is none"""
    f1: float
    """harmonic mean of precision and recall"""
    support: int
    """sequences of this class; 0 where the data has none"""


class Scores(Documented):
    """What one model scores on one data set."""

    accuracy: float
    """share of sequences classified right"""
    uar: float
    """unweighted average recall over the classes present"""
    macro_f1: float
    """mean F1 over the classes present"""
    per_class: dict[str, ClassScores]
    """scores by class, in the order of the label scheme"""
    confusion: list[list[int]]
    """counts, one row a true class, one column a predicted class"""
    log_loss: float
    """mean negative log-likelihood, in nats"""
    ece: float
    """expected calibration error, 15 bins"""
    by_subject: SubjectSpread | None
    """accuracy of each person on their own, the lowest, the middle one and the highest; `null` where nobody is named"""


def in_full(metrics: Metrics) -> Scores:
    """The same with the accuracy of each class, which follows from the confusion."""
    by_class = class_scores(metrics.confusion, tuple(metrics.per_class))
    return Scores.model_validate(metrics.to_dict() | {"per_class": by_class})


def class_scores(confusion: list[list[int]], classes: tuple[str, ...]) -> dict[str, ClassScores]:
    """confusion: K x K counts, row = true class, column = predicted class"""
    rates = rates_of(np.array(confusion))
    return {
        name: ClassScores(
            accuracy=rates.accuracy[i],
            precision=rates.precision[i],
            recall=rates.recall[i],
            f1=rates.f1[i],
            support=rates.support[i],
        )
        for i, name in enumerate(classes)
    }
