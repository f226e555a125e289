"""Scores of a classifier: accuracy, average recall, macro F1, calibration; by class and by subject.

All of them follow from the confusion matrix and the probabilities. They are worked out here, and held against
scikit-learn's in the tests: importing that takes 60 MB, which a server for a thousand devices has better use for.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shared_models.errors import DataError
from shared_models.evaluation.calibration import calibration_error
from shared_models.evaluation.confusion import confusion_of, rates_of

_SUM_TOLERANCE = 1e-3
_SMALLEST = np.finfo(np.float64).eps
"""A probability below this counts as this, so that one sure mistake does not make the log loss infinite."""


@dataclass(frozen=True)
class ClassScore:
    """One class against all others; all three scores are 0 where the class has no support."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class SubjectSpread:
    """Accuracy of each subject on its own: the worst served, the middle one, the best served."""

    subjects: int
    minimum: float
    median: float
    maximum: float


@dataclass(frozen=True)
class Metrics:
    """What one model scores on one data set.

    uar, macro_f1: means over the classes that occur in the targets, each class counting the same
    per_class:     every class of the scheme, in its order; support 0 where the data has none of it
    confusion:     K x K counts, row = true class, column = predicted class
    log_loss:      mean negative log-likelihood, in nats
    ece:           expected calibration error, 0 (confidence equals accuracy) to 1
    by_subject:    None where the data names no subjects
    """

    accuracy: float
    uar: float
    macro_f1: float
    per_class: dict[str, ClassScore]
    confusion: list[list[int]]
    log_loss: float
    ece: float
    by_subject: SubjectSpread | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dicts, lists and numbers, ready for JSON."""
        return asdict(self)


def score(
    probabilities: np.ndarray,
    targets: np.ndarray,
    classes: tuple[str, ...],
    subjects: tuple[str | None, ...] | None = None,
) -> Metrics:
    """Scores of the most probable class, and of the probabilities themselves.

    probabilities: (N, K) float, each row sums to 1
    targets:       (N,) int, indices into `classes`
    subjects:      N subject ids; None for a sequence of nobody known

    Raises DataError where the shapes do not fit, a target is no class, or a row is no distribution.
    """
    probabilities = _checked_probabilities(probabilities, len(classes))
    targets = _checked_targets(targets, len(probabilities), len(classes))
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_of(targets, predicted, len(classes))
    per_class, summary = _by_class(confusion, classes)
    own = probabilities[np.arange(len(targets)), targets]
    return Metrics(
        **summary,
        per_class=per_class,
        confusion=confusion.tolist(),
        log_loss=float(-np.log(np.clip(own, _SMALLEST, 1.0)).mean()),
        ece=calibration_error(probabilities, targets),
        by_subject=_by_subject(targets == predicted, subjects),
    )


def metrics_from(values: dict[str, Any]) -> Metrics:
    """What `Metrics.to_dict` made."""
    by_class = {name: ClassScore(**scores) for name, scores in values["per_class"].items()}
    by_subject = SubjectSpread(**values["by_subject"]) if values["by_subject"] else None
    return Metrics(**(values | {"per_class": by_class, "by_subject": by_subject}))


def majority_baseline(targets: np.ndarray, classes: tuple[str, ...]) -> dict[str, float]:
    """Accuracy, uar and macro_f1 of always answering the most frequent class of `targets`, (N,) int.

    Raises DataError where `targets` is empty or holds an index that is no class.
    """
    targets = _checked_targets(targets, len(targets), len(classes))
    most_frequent = np.bincount(targets, minlength=len(classes)).argmax()
    return _by_class(confusion_of(targets, np.full_like(targets, most_frequent), len(classes)), classes)[1]


def majority_baseline_of(confusion: list[list[int]]) -> dict[str, float]:
    """`majority_baseline` of the targets behind a K x K confusion matrix."""
    support = np.array(confusion).sum(axis=1)
    classes = tuple(str(index) for index in range(len(support)))
    return majority_baseline(np.repeat(np.arange(len(support)), support), classes)


def _by_class(confusion: np.ndarray, classes: tuple[str, ...]) -> tuple[dict[str, ClassScore], dict[str, float]]:
    rates = rates_of(confusion)
    per_class = {
        name: ClassScore(float(rates.precision[i]), float(rates.recall[i]), float(rates.f1[i]), int(rates.support[i]))
        for i, name in enumerate(classes)
    }
    means = {name: float(value) for name, value in rates.means().items()}
    return per_class, {"accuracy": float(np.trace(confusion) / confusion.sum()), **means}


def _by_subject(correct: np.ndarray, subjects: tuple[str | None, ...] | None) -> SubjectSpread | None:
    if subjects is None:
        return None
    if len(subjects) != len(correct):
        raise DataError("Subjects must name every sequence", why=f"{len(subjects)} ids for {len(correct)}")
    hits: dict[str, list[bool]] = {}
    for subject, hit in zip(subjects, correct, strict=True):
        if subject is not None:
            hits.setdefault(subject, []).append(bool(hit))
    if not hits:
        return None
    accuracies = [float(np.mean(own)) for own in hits.values()]
    return SubjectSpread(len(accuracies), min(accuracies), float(np.median(accuracies)), max(accuracies))


def _checked_probabilities(probabilities: np.ndarray, classes: int) -> np.ndarray:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != classes:
        raise DataError("Probabilities must be (N, K), one column a class", why=f"got {values.shape}, K = {classes}")
    sums = values.sum(axis=1, keepdims=True)
    if not np.isfinite(values).all() or (values < 0).any() or (np.abs(sums - 1) > _SUM_TOLERANCE).any():
        raise DataError("Probabilities must be finite, not negative, and sum to 1 in each row")
    return values / sums


def _checked_targets(targets: np.ndarray, count: int, classes: int) -> np.ndarray:
    values = np.asarray(targets)
    if count == 0:
        raise DataError("There is nothing to score", why="the data set is empty")
    if values.shape != (count,) or not np.issubdtype(values.dtype, np.integer):
        raise DataError("Targets must be one integer a sequence", why=f"got {values.dtype} {values.shape}")
    if values.min() < 0 or values.max() >= classes:
        raise DataError("A target is no class", why=f"targets reach {values.min()} to {values.max()}, K = {classes}")
    return values.astype(np.int64)
