"""People are drawn whole, and the same ones for every model."""

import numpy as np
import pytest

from shared_models.evaluation.metrics import score
from shared_models.evaluation.paired import middle_95, redrawn_macro_f1

CLASSES = ("a", "b", "c")
TARGETS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 1])
PREDICTED = np.array([0, 1, 1, 0, 2, 2, 1, 1, 0])
SUBJECTS = ("p", "p", "p", "q", "q", "q", "r", None, None)


def test_a_draw_scores_what_it_is_made_of():
    units = [[0, 1, 2], [3, 4, 5], [6], [7], [8]]
    expected = set()
    for times in np.ndindex(*[6] * 5):
        if sum(times) == 5:
            index = [i for unit, count in zip(units, times, strict=True) for i in unit * count]
            answers = np.eye(3)[PREDICTED[index]]
            expected.add(round(score(answers, TARGETS[index], CLASSES).macro_f1, 9))
    drawn = redrawn_macro_f1(PREDICTED, TARGETS, SUBJECTS, 3)
    assert len(drawn) == 1000
    assert set(drawn.round(9)) <= expected
    assert len(set(drawn.round(9))) > len(expected) / 2


def test_two_models_that_err_alike_differ_in_no_draw():
    """Each is wrong once about every person: unpaired draws would differ, paired ones do not."""
    targets, subjects = np.tile([0, 1, 2], 20), tuple(f"s{n // 3}" for n in range(60))
    first, second = targets.copy(), targets.copy()
    first[::3], second[1::3] = 1, 0
    swapped = np.array([1, 0, 2])
    assert np.array_equal(
        redrawn_macro_f1(first, targets, subjects, 3),
        redrawn_macro_f1(swapped[second], swapped[targets], subjects, 3),
    )
    ten = np.arange(60) < 30
    better = np.where(ten, targets, first)
    gain = redrawn_macro_f1(better, targets, subjects, 3) - redrawn_macro_f1(first, targets, subjects, 3)
    assert (gain >= 0).all()


def test_people_count_and_not_their_sequences():
    """Ten people, each always right or always wrong: a hundred sequences of them tell no more than ten."""
    targets = np.tile([0, 1], 500)
    predicted = np.where(np.arange(1000) // 100 < 5, targets, 1 - targets)
    people = tuple(f"s{n // 100}" for n in range(1000))
    wide, narrow = (middle_95(redrawn_macro_f1(predicted, targets, who, 2)) for who in (people, tuple([None] * 1000)))
    assert wide[0] < 0.25 < 0.75 < wide[1]
    assert narrow == pytest.approx((0.47, 0.53), abs=0.01)
