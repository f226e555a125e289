import io

import numpy as np
import pytest
from rich.console import Console

from shared_models.evaluation.metrics import Metrics, score
from shared_models.evaluation.table import comparison_markdown, comparison_table

CLASSES = ("neutral", "engagement:0", "fear")
TARGETS = np.array([0, 0, 1, 1])


def metrics(*predicted: int) -> Metrics:
    return score(np.eye(len(CLASSES))[list(predicted)], TARGETS, CLASSES)


def test_markdown_shows_before_after_support_and_change() -> None:
    lines = comparison_markdown(metrics(0, 1, 1, 0), metrics(0, 0, 1, 1)).splitlines()

    assert lines[0] == "| Emotion | Support | Precision | Recall | F1 | F1 gain |"
    assert lines[2] == "| neutral | 2 | 0.500 → 1.000 | 0.500 → 1.000 | 0.500 → 1.000 | +0.500 |"
    assert lines[-1].startswith("Accuracy 0.500 → 1.000 (+0.500); UAR")


def test_a_loss_is_shown_as_one() -> None:
    assert "-0.500" in comparison_markdown(metrics(0, 0, 1, 1), metrics(0, 1, 1, 0))


def test_a_class_that_the_benchmark_lacks_has_no_scores() -> None:
    assert "| fear | 0 | - | - | - | - |" in comparison_markdown(metrics(0, 0, 1, 1), metrics(0, 0, 1, 2))


@pytest.mark.parametrize("width", [80, 120])
def test_the_rich_table_cuts_nothing_off(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width).print(comparison_table(metrics(0, 1, 1, 0), metrics(0, 0, 1, 1)))

    text = out.getvalue()
    assert "0.500 → 1.000" in text
    assert "engagement:0" in text
    assert "+0.500" in text
    assert "…" not in text
