"""Every class is shown once right and once wrong before any is shown twice."""

import numpy as np

from shared_models.evaluation.examples import surest

TARGETS = np.array([0, 0, 0, 1, 1, 1, 2])
PROBABILITIES = np.array(
    [
        [0.6, 0.2, 0.2],  # 0 right
        [0.8, 0.1, 0.1],  # 0 right, surest
        [0.1, 0.9, 0.0],  # 0 wrong
        [0.7, 0.2, 0.1],  # 1 wrong
        [0.1, 0.2, 0.7],  # 1 wrong, as sure
        [0.2, 0.8, 0.0],  # 1 right
        [0.5, 0.3, 0.2],  # 2 wrong
    ]
)


def test_class_by_class_right_before_wrong_surest_first():
    assert surest(PROBABILITIES, TARGETS, 100) == [1, 2, 5, 3, 6, 0, 4]


def test_at_most_so_many():
    assert surest(PROBABILITIES, TARGETS, 3) == [1, 2, 5]
    assert surest(PROBABILITIES, TARGETS, 0) == []
