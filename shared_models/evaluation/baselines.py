"""What scores stand beside: answers that need no picture."""

import numpy as np

from shared_models.evaluation.confusion import confusion_of, rates_of


def per_person_baseline(
    targets: np.ndarray, classes: tuple[str, ...], subjects: tuple[str | None, ...]
) -> dict[str, float] | None:
    """Accuracy, uar and macro_f1 of answering for each person what that person is most often, of (N,) int targets.

    It is what knowing the person alone is worth: on DAiSEE's engagement far more than the majority. Of classes that
    are as frequent, the first counts. None where a sequence is of nobody known.
    """
    if None in subjects:
        return None
    _, person = np.unique(np.array(subjects), return_inverse=True)
    counts = np.zeros((person.max() + 1, len(classes)), np.int64)
    np.add.at(counts, (person, targets), 1)
    confusion = confusion_of(targets, counts.argmax(axis=1)[person], len(classes))
    means = {name: float(value) for name, value in rates_of(confusion).means().items()}
    return {"accuracy": float(np.trace(confusion) / len(targets)), **means}
