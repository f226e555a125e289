"""One way to score models whose output is not categorical, beside those who answer without looking."""

from typing import Annotated

import numpy as np
from pydantic import Field

from shared_models.data.labels import LabelScheme
from shared_models.data.sequences import Sequences
from shared_models.documented import Documented
from shared_models.errors import DataError
from shared_models.evaluation.guesses import own_usual, usual
from shared_models.evaluation.levels import LevelScores, score_levels
from shared_models.evaluation.multi_label import MultiLabelScores, score_multi_label
from shared_models.evaluation.sheets import Sheet, written
from shared_models.evaluation.values import ValueScores, score_values

Scores = Annotated[MultiLabelScores | LevelScores | ValueScores, Field(discriminator="output")]

_NOTE = "Usual: always answering what is usual in these data. Own: what is usual for each person in them."


class OutputScores(Documented):
    """Scores of a model, and on the same sequences of who answers without looking."""

    model: Scores
    """the model's"""
    usual: Scores
    """of always answering what is usual: the most frequent level, the share that has a class, or the mean"""
    own: Scores | None
    """of answering for each person what is usual for them; `null` where nobody is named"""


def score_output(answers: np.ndarray, sequences: Sequences) -> OutputScores:
    """Scores of answers (N, K), what the model's output reads off its logits, against the targets of `sequences`.

    Raises DataError where the two do not fit together, there is nothing to score, or the output is categorical:
    `metrics.score` is for those.
    """
    if answers.shape != sequences.targets.shape:
        raise DataError("Answers must be as targets are", why=f"{answers.shape} against {sequences.targets.shape}")
    own, targets, scheme = own_usual(sequences), sequences.targets, sequences.scheme
    return OutputScores(
        model=scores_of(answers, targets, scheme),
        usual=scores_of(usual(sequences), targets, scheme),
        own=None if own is None else scores_of(own, targets, scheme),
    )


def scores_of(answers: np.ndarray, targets: np.ndarray, scheme: LabelScheme) -> Scores:
    """Scores of answers (N, K) against targets (N, K), N at least 1. Raises DataError for a categorical output."""
    if scheme.output == "values":
        return score_values(answers, targets, scheme.classes)
    if scheme.output == "levels":
        return score_levels(answers, targets, scheme.states)
    if scheme.output == "multi-label":
        return score_multi_label(answers, targets, scheme.classes)
    raise DataError(f"The label scheme {scheme.name} is scored by its one class a sequence")


def output_sheet(scores: OutputScores) -> Sheet:
    """A row for each class, state or dimension and one for their mean, each followed by those of both guesses."""
    guesses = [("usual", scores.usual.figures())] + ([] if scores.own is None else [("own", scores.own.figures())])
    rows = []
    for name, figures in scores.model.figures().items():
        rows.append((name, *written(figures)))
        rows += [(f"{name}, {guess}", *written(theirs[name])) for guess, theirs in guesses]
    return Sheet(f"Scores on {scores.model.sequences} sequences", scores.model.headings, rows, _NOTE)
