import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from shared_models.evaluation.confusion import confusion_of, rates_of


def test_a_case_worked_by_hand() -> None:
    # of 6: neutral 3 of 4 found with one false alarm, happiness 1 of 2 with one; fear is in neither
    rates = rates_of(confusion_of(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0]), 3))
    np.testing.assert_allclose(rates.accuracy, [4 / 6, 4 / 6, 1])
    np.testing.assert_allclose(rates.precision, [3 / 4, 1 / 2, 0])
    np.testing.assert_allclose(rates.recall, [3 / 4, 1 / 2, 0])
    assert rates.support.tolist() == [4, 2, 0]
    assert rates.means() == {"uar": pytest.approx(5 / 8), "macro_f1": pytest.approx(5 / 8)}


def test_a_stack_has_the_rates_of_each() -> None:
    stack = np.random.default_rng(0).integers(0, 5, (20, 4, 4))
    stack[:3, 1] = 0
    rates, means = rates_of(stack), rates_of(stack).means()
    for number, one in enumerate(stack):
        alone = rates_of(one)
        for name in ("accuracy", "precision", "recall", "f1", "support"):
            np.testing.assert_array_equal(getattr(rates, name)[number], getattr(alone, name))
        for name, value in alone.means().items():
            assert means[name][number] == value


def test_scikit_learn_says_the_same() -> None:
    rng = np.random.default_rng(1)
    targets, predicted = rng.integers(0, 4, 60), rng.integers(0, 5, 60)
    rates = rates_of(confusion_of(targets, predicted, 5))
    np.testing.assert_allclose(rates.f1, f1_score(targets, predicted, average=None, labels=range(5), zero_division=0))
    expected = recall_score(targets, predicted, average="macro", labels=range(4))
    assert rates.means()["uar"] == pytest.approx(expected)
