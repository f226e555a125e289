"""Concordance, correlation and error of values, one dimension at a time."""

import numpy as np
import pytest
from sklearn.metrics import root_mean_squared_error

from shared_models.evaluation.values import ValueScore, score_values

CLASSES = ("valence", "arousal")


def one(answers: list[float], targets: list[float]) -> ValueScore:
    return score_values(np.array([answers]).T, np.array([targets]).T, ("valence",)).dimensions["valence"]


def test_it_follows_the_definitions() -> None:
    rng = np.random.default_rng(1)
    targets = rng.uniform(-1, 1, (200, 2))
    answers = 0.5 * targets + rng.normal(0.1, 0.3, (200, 2))
    scores = score_values(answers, targets, CLASSES)
    for k, name in enumerate(CLASSES):
        (x, y), found = (answers[:, k], targets[:, k]), scores.dimensions[name]
        pearson = np.corrcoef(x, y)[0, 1]
        ccc = 2 * pearson * x.std() * y.std() / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        assert (found.ccc, found.pearson) == pytest.approx((ccc, pearson))
        assert found.rmse == pytest.approx(root_mean_squared_error(y, x))
    assert scores.mean.ccc == pytest.approx(np.mean([score.ccc for score in scores.dimensions.values()]))
    assert scores.sequences == 200


def test_a_shift_costs_concordance_and_not_correlation() -> None:
    # means 0 and .5, variances 1/6 each: 2 (1/6) / (1/6 + 1/6 + .25) = 4/7
    shifted = one([0.0, 0.5, 1.0], [-0.5, 0.0, 0.5])
    assert (shifted.ccc, shifted.pearson, shifted.rmse) == pytest.approx((4 / 7, 1.0, 0.5))


def test_right_answers_score_one_and_opposite_ones_minus_one() -> None:
    assert one([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]).ccc == pytest.approx(1)
    assert one([1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]).ccc == pytest.approx(-1)


def test_always_the_same_answer_agrees_with_nothing() -> None:
    constant = one([0.1] * 3, [-0.4, 0.2, 0.5])
    assert (constant.ccc, constant.pearson) == (0, 0)
    assert one([0.3], [0.3]).rmse == 0
