"""Whether a model's confidence is what it is worth: 15 bins of confidence, and in each how often the model is right."""

import numpy as np

from shared_models.documented import Documented
from shared_models.evaluation.confusion import share

BINS = 15


class ReliabilityBin(Documented):
    """The sequences on which the model's confidence lies in one bin."""

    up_to: float
    """upper edge of the bin, which belongs to it; the lower one is that of the bin before"""
    sequences: int
    """how many sequences"""
    confidence: float
    """the model's mean confidence in its answers to them; 0 where there are none"""
    accuracy: float
    """share of them that it got right; 0 where there are none"""


def bin_of(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(N,) int: the bin of each confidence; bin m of M holds ((m - 1)/M, m/M]."""
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error of (N, K) probabilities against (N,) targets.

    The gap between accuracy and mean confidence within equal-width bins of confidence, weighted by the share of samples
    in each: Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    gaps = np.bincount(bin_of(confidence, bins), weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(targets))


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> list[ReliabilityBin]:
    """The bins behind `calibration_error`, from the least to the most confident."""
    confidence = probabilities.max(axis=1)
    place, correct = bin_of(confidence), probabilities.argmax(axis=1) == targets
    counts = np.bincount(place, minlength=BINS)
    means = share(np.bincount(place, weights=confidence, minlength=BINS), counts)
    accuracies = share(np.bincount(place, weights=correct, minlength=BINS), counts)
    return [
        ReliabilityBin(
            up_to=(number + 1) / BINS,
            sequences=int(counts[number]),
            confidence=float(means[number]),
            accuracy=float(accuracies[number]),
        )
        for number in range(BINS)
    ]
