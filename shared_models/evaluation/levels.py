"""Scores of ordered levels: for each state, how often its level is met, and by how much it is missed."""

from statistics import fmean
from typing import ClassVar, Literal

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.metrics import score
from shared_models.evaluation.sheets import Figures, Row

_HALF = 0.5


class LevelScore(Documented):
    """How well a level is told that is one of a few."""

    accuracy: float
    """share of the sequences whose level is met"""
    uar: float
    """mean recall over the levels that occur in the targets"""
    mae: float
    """by how many levels an answer is off, on average"""
    kappa: float
    """Cohen's kappa with quadratic weights, -1 to 1; 0 is chance, also where chance is always right"""


class StateScore(LevelScore):
    """One state."""

    confusion: list[list[int]]
    """counts, row = true level, column = answered level"""


class LevelScores(Documented):
    """Every state, in the scheme's order."""

    headings: ClassVar[Row] = ("State", "Accuracy", "UAR", "MAE", "Kappa")

    output: Literal["levels"] = "levels"
    """which output these are the scores of"""
    sequences: int
    """how many were scored"""
    states: dict[str, StateScore]
    """by state"""
    mean: LevelScore
    """the mean of each score over states"""

    def figures(self) -> dict[str, Figures]:
        """What stands under the headings, by state and for their mean."""
        scores: dict[str, LevelScore] = {**self.states, "mean": self.mean}
        return {name: (score.accuracy, score.uar, score.mae, score.kappa) for name, score in scores.items()}


def levels_of(reached: np.ndarray, states: int) -> np.ndarray:
    """(N, S) from (N, S * L), the probabilities or targets that each level is reached: how many are at least a half."""
    return (reached.reshape(len(reached), states, -1) >= _HALF).sum(axis=2)


def score_levels(answers: np.ndarray, targets: np.ndarray, states: tuple[str, ...]) -> LevelScores:
    """Scores of answers (N, S * L) against targets (N, S * L), N at least 1: for each state in turn its L levels."""
    highest = targets.shape[1] // len(states)
    answered, true = levels_of(answers, len(states)), levels_of(targets, len(states))
    by_state = {name: _score(answered[:, s], true[:, s], highest) for s, name in enumerate(states)}
    scores = by_state.values()
    mean = LevelScore(
        accuracy=fmean(score.accuracy for score in scores),
        uar=fmean(score.uar for score in scores),
        mae=fmean(score.mae for score in scores),
        kappa=fmean(score.kappa for score in scores),
    )
    return LevelScores(sequences=len(targets), states=by_state, mean=mean)


def _score(answered: np.ndarray, true: np.ndarray, highest: int) -> StateScore:
    """For levels (N,), 0 to `highest`."""
    names = tuple(str(level) for level in range(highest + 1))
    as_classes = score(np.eye(highest + 1)[answered], true, names)
    return StateScore(
        accuracy=as_classes.accuracy,
        uar=as_classes.uar,
        mae=float(np.abs(answered - true).mean()),
        kappa=_kappa(np.array(as_classes.confusion)),
        confusion=as_classes.confusion,
    )


def _kappa(confusion: np.ndarray) -> float:
    """Cohen 1968, Psychological Bulletin 70(4): weights are squared distances."""
    levels = np.arange(len(confusion))
    weights = (levels[:, None] - levels) ** 2
    by_chance = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    expected = float((weights * by_chance).sum())
    return 1 - float((weights * confusion).sum()) / expected if expected else 0.0
