"""Scores of numbers, such as valence and arousal: how closely answers follow the targets, one dimension at a time."""

from statistics import fmean
from typing import ClassVar, Literal

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.sheets import Figures, Row


class ValueScore(Documented):
    """One dimension. The first two are 0 where targets or answers do not vary."""

    ccc: float
    """concordance, -1 to 1: 1 where all answers are right, which no shift or scale of them is"""
    pearson: float
    """correlation, -1 to 1: 1 also where answers are shifted or scaled"""
    rmse: float
    """root mean squared error, in the unit of the values, whose whole range is 2"""


class ValueScores(Documented):
    """Every dimension, in the scheme's order."""

    headings: ClassVar[Row] = ("Dimension", "CCC", "Pearson", "RMSE")

    output: Literal["values"] = "values"
    """which output these are the scores of"""
    sequences: int
    """how many were scored"""
    dimensions: dict[str, ValueScore]
    """by dimension"""
    mean: ValueScore
    """the mean of each score over dimensions"""

    def figures(self) -> dict[str, Figures]:
        """What stands under the headings, by dimension and for their mean."""
        scores = {**self.dimensions, "mean": self.mean}
        return {name: (score.ccc, score.pearson, score.rmse) for name, score in scores.items()}


def score_values(answers: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> ValueScores:
    """Scores of answers (N, K) against targets (N, K), N at least 1, one column for each of `classes`."""
    dimensions = {name: _score(answers[:, k], targets[:, k]) for k, name in enumerate(classes)}
    scores = dimensions.values()
    mean = ValueScore(
        ccc=fmean(score.ccc for score in scores),
        pearson=fmean(score.pearson for score in scores),
        rmse=fmean(score.rmse for score in scores),
    )
    return ValueScores(sequences=len(targets), dimensions=dimensions, mean=mean)


def _score(answers: np.ndarray, targets: np.ndarray) -> ValueScore:
    """The concordance is Lin's: 1989, Biometrics 45(1), equation 2, with variances over N."""
    answers, targets = answers.astype(np.float64), targets.astype(np.float64)
    squared = float(np.mean((answers - targets) ** 2))
    if np.ptp(answers) == 0 or np.ptp(targets) == 0:  # a variance may miss 0 by rounding
        return ValueScore(ccc=0.0, pearson=0.0, rmse=squared**0.5)
    covariance = float(np.mean((answers - answers.mean()) * (targets - targets.mean())))
    apart = float(answers.mean() - targets.mean())
    return ValueScore(
        ccc=2 * covariance / float(answers.var() + targets.var() + apart**2),
        pearson=covariance / float(answers.std() * targets.std()),
        rmse=squared**0.5,
    )
