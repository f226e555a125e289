import numpy as np
import pytest

from shared_models.evaluation.baselines import per_person_baseline

CLASSES = ("a", "b", "c")


def test_each_person_gets_the_answer_that_fits_them_most_often() -> None:
    # p is a, a, b: answered a; q is b, b: answered b; r is c, a: a tie, of which the first class counts
    targets, subjects = np.array([0, 0, 1, 1, 1, 2, 0]), ("p", "p", "p", "q", "q", "r", "r")
    assert per_person_baseline(targets, CLASSES, subjects) == {
        "accuracy": pytest.approx(5 / 7),
        "uar": pytest.approx((3 / 3 + 2 / 3 + 0) / 3),
        "macro_f1": pytest.approx((2 * 3 / 8 + 2 * 2 / 5 + 0) / 3),
    }


def test_the_order_of_sequences_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    targets, subjects = rng.integers(0, 3, 40), np.array([f"p{i}" for i in rng.integers(0, 6, 40)])
    order = rng.permutation(40)
    assert per_person_baseline(targets, CLASSES, tuple(subjects)) == pytest.approx(
        per_person_baseline(targets[order], CLASSES, tuple(subjects[order]))
    )


def test_there_is_none_where_somebody_is_not_named() -> None:
    assert per_person_baseline(np.array([0, 1]), CLASSES, ("p", None)) is None
