"""Any number of classes at once: each on its own, and the whole set."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, precision_recall_fscore_support

from shared_models.evaluation.multi_label import score_multi_label

CLASSES = ("neutral", "happiness", "fear")


def test_it_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    targets = (rng.random((300, 3)) < (0.6, 0.3, 0.05)).astype(float)
    answers = np.round(np.clip(0.6 * targets + rng.random((300, 3)) * 0.7, 0, 1), 1)  # many are tied
    scores = score_multi_label(answers, targets, CLASSES)
    precision, recall, f1, support = precision_recall_fscore_support(targets, answers >= 0.5)
    for k, (name, found) in enumerate(scores.per_class.items()):
        assert name == CLASSES[k]
        assert found.average_precision == pytest.approx(average_precision_score(targets[:, k], answers[:, k]))
        assert (found.precision, found.recall, found.f1) == pytest.approx((precision[k], recall[k], f1[k]))
        assert found.support == support[k]
    assert scores.macro_f1 == pytest.approx(np.mean(f1))
    assert scores.average_precision == pytest.approx(average_precision_score(targets, answers))
    assert scores.subset_accuracy == pytest.approx(accuracy_score(targets, answers >= 0.5))


def test_means_run_over_the_classes_present() -> None:
    targets = np.array([[1.0, 0, 0], [1, 1, 0]])
    scores = score_multi_label(np.array([[0.9, 0.2, 0.6], [0.8, 0.7, 0.1]]), targets, CLASSES)
    assert scores.macro_f1 == scores.average_precision == 1
    assert scores.per_class["fear"].support == 0
    assert scores.subset_accuracy == 0.5, "fear was answered where there was none"
    assert "fear" not in scores.figures()


def test_a_guess_has_the_average_precision_of_the_share() -> None:
    scores = score_multi_label(np.full((4, 1), 0.3), np.array([[1.0], [0], [0], [0]]), ("fear",))
    assert (scores.average_precision, scores.macro_f1) == (0.25, 0)


def test_nobody_showing_anything_is_no_error() -> None:
    scores = score_multi_label(np.full((2, 3), 0.1), np.zeros((2, 3)), CLASSES)
    assert (scores.macro_f1, scores.average_precision, scores.subset_accuracy) == (0, 0, 1)
