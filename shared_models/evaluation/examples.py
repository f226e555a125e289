"""Which sequences are worth a look: what the model was surest of, where it was right and where it was wrong."""

import numpy as np


def surest(probabilities: np.ndarray, targets: np.ndarray, most: int) -> list[int]:
    """Up to `most` rows of (N, K) probabilities with true classes (N,).

    Class by class, in the order of the scheme: of the sequences that are of this class, the one with the surest right
    answer and the one with the surest wrong answer; then the same with the second surest, and so on. A class that has
    none left is passed over; of two that are equally sure, the earlier one goes first. So 2 K rows show every class
    once right and once wrong, where there are such.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    by_confidence = np.argsort(-confidence, kind="stable")
    queues = [
        by_confidence[(targets[by_confidence] == label) & ((predicted == label)[by_confidence] == right)]
        for label in range(probabilities.shape[1])
        for right in (True, False)
    ]
    longest = max(map(len, queues))
    ordered = [int(queue[turn]) for turn in range(longest) for queue in queues if turn < len(queue)]
    return ordered[:most]
