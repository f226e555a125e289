import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from shared_models.errors import DataError
from shared_models.evaluation.calibration import calibration_error
from shared_models.evaluation.metrics import (
    ClassScore,
    SubjectSpread,
    majority_baseline,
    score,
)

CLASSES = ("neutral", "happiness", "fear")


def probabilities_for(predicted: list[int], confidence: float = 0.8) -> np.ndarray:
    rows = np.full((len(predicted), len(CLASSES)), (1 - confidence) / (len(CLASSES) - 1))
    rows[np.arange(len(predicted)), predicted] = confidence
    return rows


def test_a_case_worked_by_hand() -> None:
    # neutral: 3 of 4 found, 1 false alarm; happiness: 1 of 2 found, 1 false alarm; fear is in neither
    metrics = score(probabilities_for([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1]), CLASSES)

    assert metrics.accuracy == pytest.approx(4 / 6)
    assert metrics.per_class["neutral"] == ClassScore(0.75, 0.75, 0.75, 4)
    assert metrics.per_class["happiness"] == ClassScore(0.5, 0.5, 0.5, 2)
    assert metrics.confusion == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert metrics.log_loss == pytest.approx(-(4 * np.log(0.8) + 2 * np.log(0.1)) / 6)
    assert metrics.ece == pytest.approx(abs(4 / 6 - 0.8))


def test_means_run_over_the_classes_present_and_no_others() -> None:
    metrics = score(probabilities_for([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1]), CLASSES)

    assert metrics.uar == pytest.approx((0.75 + 0.5) / 2)
    assert metrics.macro_f1 == pytest.approx((0.75 + 0.5) / 2)
    assert metrics.per_class["fear"] == ClassScore(0.0, 0.0, 0.0, 0)


def test_an_absent_class_that_is_predicted_costs_the_others_only() -> None:
    metrics = score(probabilities_for([0, 2, 1, 1]), np.array([0, 0, 1, 1]), CLASSES)

    assert metrics.uar == pytest.approx((0.5 + 1) / 2)
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_never_predicted_counts_as_zero() -> None:
    metrics = score(probabilities_for([0, 0, 0]), np.array([0, 1, 2]), CLASSES)

    assert metrics.uar == pytest.approx(1 / 3)
    assert metrics.macro_f1 == pytest.approx(0.5 / 3)


def test_calibration_error_of_two_bins_by_hand() -> None:
    # bin (.8, .8667]: two at .85, one right: |1 - 1.7| = .7
    # bin (.5333, .6]: two at .6, both right: |2 - 1.2| = .8
    probabilities = np.array([[0.85, 0.15], [0.85, 0.15], [0.6, 0.4], [0.6, 0.4]])

    assert calibration_error(probabilities, np.array([0, 1, 0, 0])) == pytest.approx((0.7 + 0.8) / 4)


def test_confidence_that_equals_accuracy_is_calibrated() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))

    assert calibration_error(probabilities, np.array([0, 0, 0, 1])) == pytest.approx(0)
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([1])) == 1


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    probabilities = np.array([[0.5, 0.5], [0.9, 0.1]])

    assert calibration_error(probabilities, np.array([1, 0]), bins=2) == pytest.approx((0.5 + 0.1) / 2)


def test_errors_of_opposite_sign_in_different_bins_do_not_cancel() -> None:
    probabilities = np.array([[0.95, 0.05], [0.55, 0.45]])

    assert calibration_error(probabilities, np.array([1, 0])) == pytest.approx((0.95 + 0.45) / 2)


def test_the_spread_over_subjects_leaves_out_the_nameless() -> None:
    subjects = ("a", "a", "b", "b", "c", None)
    metrics = score(probabilities_for([0, 0, 0, 1, 1, 2]), np.array([0, 0, 0, 0, 0, 0]), CLASSES, subjects)

    assert metrics.by_subject == SubjectSpread(subjects=3, minimum=0.0, median=0.5, maximum=1.0)


@pytest.mark.parametrize("subjects", [None, (None, None)])
def test_no_spread_without_subjects(subjects: tuple[None, ...] | None) -> None:
    assert score(probabilities_for([0, 1]), np.array([0, 1]), CLASSES, subjects).by_subject is None


def test_majority_baseline_by_hand() -> None:
    baseline = majority_baseline(np.array([1, 1, 1, 0]), CLASSES)

    assert baseline == {
        "accuracy": pytest.approx(0.75),
        "uar": pytest.approx(0.5),
        "macro_f1": pytest.approx((6 / 7) / 2),
    }


def test_the_dict_is_plain_json() -> None:
    metrics = score(probabilities_for([0, 1]).astype(np.float32), np.array([0, 1], dtype=np.int32), CLASSES, ("a", "b"))

    stored = json.loads(json.dumps(metrics.to_dict()))
    assert stored["per_class"]["neutral"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert stored["by_subject"]["subjects"] == 2


@pytest.mark.parametrize(
    ("probabilities", "targets"),
    [
        (np.empty((0, 3)), np.empty(0, dtype=int)),
        (probabilities_for([0, 1]), np.array([0])),
        (probabilities_for([0]), np.array([3])),
        (probabilities_for([0]), np.array([-1])),
        (probabilities_for([0]), np.array([0.0])),
        (probabilities_for([0])[:, :2], np.array([0])),
        (np.array([[np.nan, 0.5, 0.5]]), np.array([0])),
        (np.array([[1.5, -0.5, 0.0]]), np.array([0])),
        (np.array([[0.9, 0.9, 0.9]]), np.array([0])),
    ],
)
def test_what_cannot_be_scored_is_refused(probabilities: np.ndarray, targets: np.ndarray) -> None:
    with pytest.raises(DataError):
        score(probabilities, targets, CLASSES)


def test_subjects_must_fit() -> None:
    with pytest.raises(DataError, match="Subjects"):
        score(probabilities_for([0, 1]), np.array([0, 1]), CLASSES, ("a",))


@pytest.mark.parametrize("seed", range(20))
def test_scikit_learn_says_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, classes = int(rng.integers(1, 60)), tuple("abcdefg")
    probabilities = rng.dirichlet(np.full(7, 0.2), count)
    targets = rng.integers(0, int(rng.integers(1, 8)), count)
    metrics, predicted, labels = score(probabilities, targets, classes), probabilities.argmax(axis=1), np.arange(7)
    scores = precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0)
    rows = [(row.precision, row.recall, row.f1, row.support) for row in metrics.per_class.values()]
    np.testing.assert_allclose(rows, np.transpose(scores), rtol=1e-12)
    assert metrics.confusion == confusion_matrix(targets, predicted, labels=labels).tolist()
    assert metrics.log_loss == pytest.approx(log_loss(targets, probabilities, labels=labels), rel=1e-12)
    assert metrics.accuracy == pytest.approx(accuracy_score(targets, predicted))
