"""Scores where any number of classes may be there at once: each class on its own, and the whole set."""

from statistics import fmean
from typing import ClassVar, Literal

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.sheets import Figures, Row

_HALF = 0.5


class LabelScore(Documented):
    """One class, answered where its probability is at least a half. All are 0 where it is nowhere in the targets."""

    average_precision: float
    """of the order that the probabilities put the sequences in; of a guess it is the share that has the class"""
    precision: float
    """share of what was answered that is right"""
    recall: float
    """share of what is there that was answered"""
    f1: float
    """harmonic mean of the two"""
    support: int
    """in how many sequences it is"""


class MultiLabelScores(Documented):
    """Every class, in the scheme's order."""

    headings: ClassVar[Row] = ("Class", "Support", "AP", "Precision", "Recall", "F1", "All right")

    output: Literal["multi-label"] = "multi-label"
    """which output these are the scores of"""
    sequences: int
    """how many were scored"""
    per_class: dict[str, LabelScore]
    """by class"""
    average_precision: float
    """its mean over the classes that occur in the targets"""
    macro_f1: float
    """mean of F1 over the classes that occur in the targets"""
    subset_accuracy: float
    """share of the sequences of which every class is answered rightly"""

    def figures(self) -> dict[str, Figures]:
        """What stands under the headings, by class and for their mean; the last one is of the whole set."""
        rows: dict[str, Figures] = {
            name: (score.support, score.average_precision, score.precision, score.recall, score.f1, None)
            for name, score in self.per_class.items()
            if score.support
        }
        return rows | {"mean": (None, self.average_precision, None, None, self.macro_f1, self.subset_accuracy)}


def score_multi_label(answers: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> MultiLabelScores:
    """Scores of probabilities (N, K) against targets (N, K) of 0 or 1, N at least 1."""
    there, answered = targets >= _HALF, answers >= _HALF
    per_class = {
        name: _score(answers[:, k].astype(np.float64), answered[:, k], there[:, k]) for k, name in enumerate(classes)
    }
    present = [score for score in per_class.values() if score.support]
    return MultiLabelScores(
        sequences=len(targets),
        per_class=per_class,
        average_precision=fmean(score.average_precision for score in present) if present else 0.0,
        macro_f1=fmean(score.f1 for score in present) if present else 0.0,
        subset_accuracy=float((answered == there).all(axis=1).mean()),
    )


def _score(probabilities: np.ndarray, answered: np.ndarray, there: np.ndarray) -> LabelScore:
    if not there.any():
        return LabelScore(average_precision=0.0, precision=0.0, recall=0.0, f1=0.0, support=0)
    found, support, said = int((answered & there).sum()), int(there.sum()), int(answered.sum())
    return LabelScore(
        average_precision=_average_precision(probabilities, there),
        precision=found / said if said else 0.0,
        recall=found / support,
        f1=2 * found / (support + said),
        support=support,
    )


def _average_precision(probabilities: np.ndarray, there: np.ndarray) -> float:
    """Precision summed over the steps of recall; sequences of one probability are one step."""
    order = np.argsort(-probabilities, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    found = there[order].cumsum()[ends]
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / there.sum())
