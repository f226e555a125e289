import numpy as np
import pytest

from shared_models.evaluation.metrics import score
from shared_models.evaluation.resampling import (
    Estimate,
    accuracy,
    count_by_unit,
    estimate,
    macro_f1,
    uar,
    unit_of,
    units_of,
)

CLASSES = 4


def answers(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets (N,) and probabilities (N, K) that are right more often than not; the last class is no target."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, CLASSES - 1, count)
    return targets, rng.dirichlet(np.ones(CLASSES), count) * 0.6 + 0.4 * np.eye(CLASSES)[targets]


def width(score: Estimate) -> float:
    assert score.low is not None
    assert score.high is not None
    return score.high - score.low


def test_people_are_units_and_so_is_each_sequence_of_nobody_named() -> None:
    assert units_of(("b", "a", None, "b", None)).tolist() == [0, 1, 2, 0, 3]
    assert unit_of((None, "a")) == "subject"
    assert unit_of((None, None)) == "sequence"


def test_a_subject_is_not_mistaken_for_the_place_of_a_nameless_sequence() -> None:
    assert len(set(units_of((None, "0", "", "1", None)))) == 5


def test_scores_of_the_counts_are_the_benchmark_scores() -> None:
    targets, probabilities = answers(200)
    counts = count_by_unit(targets, probabilities, units_of([f"p{i % 9}" for i in range(200)])).sum(axis=0)
    metrics = score(probabilities, targets, tuple("abcd"))
    assert (accuracy(counts), uar(counts), macro_f1(counts)) == pytest.approx(
        (metrics.accuracy, metrics.uar, metrics.macro_f1)
    )


def test_only_the_classes_named_are_averaged() -> None:
    counts = np.array([[3, 1, 0], [0, 2, 2], [1, 0, 0]])
    assert uar(counts, among=[0, 1]) == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert macro_f1(counts, among=[0, 1]) == pytest.approx((6 / 8 + 4 / 7) / 2)


def test_sequences_of_one_person_move_together() -> None:
    """Ten people of whom five are always understood: what matters is how many people there are, not sequences."""
    targets = np.tile([0, 1], 500)
    units = np.repeat(np.arange(10), 100)
    right = units < 5
    probabilities = np.eye(2)[np.where(right, targets, 1 - targets)]

    by_person = estimate(accuracy, count_by_unit(targets, probabilities, units))
    by_sequence = estimate(accuracy, count_by_unit(targets, probabilities, np.arange(1000)))

    assert by_person.value == by_sequence.value == 0.5
    assert (by_person.low, by_person.high) == (pytest.approx(0.2), pytest.approx(0.8))
    assert by_sequence.low == pytest.approx(0.469, abs=0.005)
    assert by_sequence.high == pytest.approx(0.531, abs=0.005)


def test_a_difference_is_paired() -> None:
    """Two models that fail on the same half of 400 people, and one of them on four more: the half cancels out."""
    targets, right = np.zeros(400, int), np.arange(400) % 2 == 0
    fewer = right & (np.arange(400) >= 8)
    worse, better = (count_by_unit(targets, np.eye(2)[np.where(own, 0, 1)], np.arange(400)) for own in (fewer, right))

    paired = estimate(lambda new, old: accuracy(new) - accuracy(old), worse, better)

    assert paired.value == pytest.approx(-0.01)
    assert width(paired) < 0.25 * width(estimate(accuracy, better))
    same = estimate(lambda new, old: accuracy(new) - accuracy(old), better, better)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_draws_without_the_group_are_left_out() -> None:
    counts = np.zeros((6, 2, 2))
    counts[0] = [[4, 0], [0, 4]]  # the only one of this group, and always right
    assert estimate(uar, counts).low == 1


def test_one_unit_has_no_interval() -> None:
    targets, probabilities = answers(20)
    only = estimate(uar, count_by_unit(targets, probabilities, np.zeros(20, int)))
    assert (only.low, only.high) == (None, None)
