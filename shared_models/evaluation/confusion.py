"""What follows from a confusion matrix, or from a stack of them at once: rates by class, and their means."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rates:
    """Each class against all others: (..., K) each, and 0 where there is nothing to divide by.

    accuracy: the share of all sequences that are rightly called this class or rightly not
    """

    accuracy: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray

    def means(self) -> dict[str, np.ndarray]:
        """uar and macro_f1, (...) each: over the classes that have support, each counting the same."""
        present = self.support > 0
        count = present.sum(axis=-1)
        return {
            "uar": share((self.recall * present).sum(axis=-1), count),
            "macro_f1": share((self.f1 * present).sum(axis=-1), count),
        }


def confusion_of(targets: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(K, K) counts, row = true class, column = predicted class, of (N,) int each."""
    return np.bincount(targets * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def rates_of(confusion: np.ndarray) -> Rates:
    """confusion: (..., K, K) counts, row = true class, column = predicted class"""
    found = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    total = confusion.sum(axis=(-2, -1))[..., None]
    return Rates(
        accuracy=share(total - support - answered + 2 * found, total),
        precision=share(found, answered),
        recall=share(found, support),
        f1=share(2 * found, support + answered),
        support=support,
    )


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, and 0 where there is nothing."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
