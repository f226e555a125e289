import numpy as np
import pytest

from shared_models.evaluation.metrics import score
from shared_models.evaluation.scores import in_full


def test_every_score_is_there_and_each_class_has_its_accuracy() -> None:
    metrics = score(np.eye(3)[[0, 0, 0, 1, 1, 0]], np.array([0, 0, 0, 0, 1, 1]), ("a", "b", "c"), ("p",) * 6)
    full = in_full(metrics).model_dump()
    accuracies = [full["per_class"][name].pop("accuracy") for name in "abc"]
    assert accuracies == pytest.approx([4 / 6, 4 / 6, 1])
    assert full == metrics.to_dict()
