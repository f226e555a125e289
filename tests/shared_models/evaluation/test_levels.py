"""Levels are read off the probabilities that each is reached, and scored state by state."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score, mean_absolute_error

from shared_models.data.labels import scheme_by_name
from shared_models.data.targets import reached
from shared_models.evaluation.levels import StateScore, levels_of, score_levels

SCHEME = scheme_by_name("learner-levels")


def rows(levels: np.ndarray) -> np.ndarray:
    """(N, 12) for levels (N, 4)."""
    return np.array([reached(SCHEME, dict(zip(SCHEME.states, row.tolist(), strict=True))) for row in levels])


def one(answered: list[int], true: list[int]) -> StateScore:
    """The score of the last state, the others being right."""
    levels = np.array([[0, 1, 2, level] for level in answered]), np.array([[0, 1, 2, level] for level in true])
    scores = score_levels(rows(levels[0]), rows(levels[1]), SCHEME.states)
    assert all(scores.states[name].accuracy == 1 for name in SCHEME.states[:-1])
    return scores.states[SCHEME.states[-1]]


def test_levels_become_targets_and_come_back() -> None:
    levels = np.array([[0, 1, 2, 3], [3, 0, 0, 1]])
    np.testing.assert_array_equal(levels_of(rows(levels), 4), levels)
    assert rows(levels)[0].tolist() == [0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1]


def test_a_level_is_how_many_are_at_least_as_likely_as_not() -> None:
    assert levels_of(np.array([[0.9, 0.5, 0.49, 0.2, 0.7, 0.1]]), 2).tolist() == [[2, 1]]


def test_it_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    true = rng.integers(0, 4, (300, 4))
    answered = np.clip(true + rng.integers(-1, 2, (300, 4)), 0, 3)
    scores = score_levels(rows(answered), rows(true), SCHEME.states)
    for s, name in enumerate(SCHEME.states):
        (y, x), found = (true[:, s], answered[:, s]), scores.states[name]
        assert found.accuracy == pytest.approx(accuracy_score(y, x))
        assert found.uar == pytest.approx(balanced_accuracy_score(y, x))
        assert found.mae == pytest.approx(mean_absolute_error(y, x))
        assert found.kappa == pytest.approx(cohen_kappa_score(y, x, weights="quadratic"))
    assert scores.mean.kappa == pytest.approx(np.mean([score.kappa for score in scores.states.values()]))


def test_a_near_miss_costs_less_than_a_far_one() -> None:
    near, far = one([0, 1, 2, 2], [0, 1, 2, 3]), one([0, 1, 2, 0], [0, 1, 2, 3])
    assert near.accuracy == far.accuracy == 0.75
    assert (near.mae, far.mae) == (0.25, 0.75)
    assert near.kappa > far.kappa


def test_a_level_that_does_not_occur_is_left_out_of_the_mean_recall() -> None:
    assert one([1, 1, 2, 2], [1, 1, 1, 2]).uar == pytest.approx((2 / 3 + 1) / 2)


def test_one_level_alone_cannot_be_told_from_chance() -> None:
    assert one([2, 2], [2, 2]).kappa == 0
    assert one([2, 2], [2, 2]).confusion == [[0] * 4, [0] * 4, [0, 0, 2, 0], [0] * 4]
