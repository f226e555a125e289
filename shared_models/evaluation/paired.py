"""How sure a difference between models is: people are drawn again, the same ones for every model.

Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 8 and 13. Sequences of one person are alike, so
that whole people are drawn; a sequence of nobody known stands for itself.
"""

from collections.abc import Sequence

import numpy as np

DRAWS = 1000
_CHUNK = 100
_SEED = 0


def redrawn_macro_f1(
    predicted: np.ndarray, targets: np.ndarray, subjects: Sequence[str | None], classes: int, draws: int = DRAWS
) -> np.ndarray:
    """(draws,) macro F1 of each redrawn set, over the classes that occur in it.

    predicted, targets: (N,) int, indices of classes

    Draw n is of the same people whatever was predicted: draws of two models may be subtracted.
    """
    unit = _units(subjects)
    units = int(unit.max()) + 1
    confusions = np.zeros((units, classes, classes))
    np.add.at(confusions, (unit, targets, predicted), 1)
    rng = np.random.default_rng(_SEED)
    redrawn = []
    for start in range(0, draws, _CHUNK):
        times = rng.multinomial(units, np.full(units, 1 / units), size=min(_CHUNK, draws - start))
        redrawn.append(_macro_f1(np.tensordot(times, confusions, axes=1)))
    return np.concatenate(redrawn)


def middle_95(values: np.ndarray) -> tuple[float, float]:
    """Between which two values 95 % of `values` lie."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    """(..., K, K) counts -> (...)."""
    found = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    f1 = np.divide(2 * found, support + answered, out=np.zeros(found.shape), where=support > 0)
    return f1.sum(axis=-1) / (support > 0).sum(axis=-1)


def _units(subjects: Sequence[str | None]) -> np.ndarray:
    """(N,) int from 0: whom each sequence is of."""
    names = [f"subject {subject}" if subject is not None else f"nobody {n}" for n, subject in enumerate(subjects)]
    return np.unique(names, return_inverse=True)[1]
