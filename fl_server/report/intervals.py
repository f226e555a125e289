"""Confidence intervals of the scores, from the benchmark's counts."""

import math
from collections.abc import Sequence

_Z95 = 1.959964


def intervals(confusion: Sequence[Sequence[int]]) -> dict[str, dict[str, float]]:
    """95 % intervals of accuracy and of unweighted average recall, by score; none without sequences.

    confusion: K x K counts, row = true class

    Accuracy: Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001, section 3.1.1). Average recall: the
    normal interval from the binomial variance of each class's recall, with one success and one failure added to each
    class (Agresti and Coull 1998), so that a class that is always right does not count as certain.
    """
    present = [(row[i], sum(row)) for i, row in enumerate(confusion) if sum(row)]
    total = sum(support for _, support in present)
    if not total:
        return {}
    accuracy = wilson(sum(right for right, _ in present), total)
    recall = sum(right / support for right, support in present) / len(present)
    shares = [((right + 1) / (support + 2), support) for right, support in present]
    error = math.sqrt(sum(p * (1 - p) / support for p, support in shares)) / len(shares)
    return {
        "accuracy": {"low": accuracy[0], "high": accuracy[1]},
        "uar": {"low": max(0.0, recall - _Z95 * error), "high": min(1.0, recall + _Z95 * error)},
    }


def wilson(right: int, total: int) -> tuple[float, float]:
    """The interval of a share of `right` among `total`."""
    share, z2 = right / total, _Z95 * _Z95
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)
