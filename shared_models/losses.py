"""Losses over soft targets, and what they know of rare classes. Plain functions of logits and targets, both (B, K).

Class counts come from public data or from the policy, never from a device's own sequences.
"""

import numpy as np
import torch
from torch import Tensor


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Targets (B, K) with a share `smoothing` of the even distribution in them (Szegedy et al. 2016, section 7)."""
    return targets * (1 - smoothing) + smoothing / targets.shape[1]


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy against distributions; `weights` (K,) count each class's share of a target."""
    return -(_weighted(targets, weights) * logits.log_softmax(dim=1)).sum(dim=1).mean()


def focal(logits: Tensor, targets: Tensor, gamma: float, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy that counts a class the less, the surer it is: -t (1 - p)^gamma log p, summed over classes.

    Lin et al. 2017, arXiv 1708.02002, equation 4, for each class's share of a soft target.
    """
    log_p = logits.log_softmax(dim=1)
    return -(_weighted(targets, weights) * (1 - log_p.exp()) ** gamma * log_p).sum(dim=1).mean()


def margin(logits: Tensor, targets: Tensor, margins: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy in which each class must win by its margin (K,), in so far as it is in the target.

    LDAM: Cao et al. 2019, arXiv 1906.07413, equation 12, with margins that a soft target takes its share of.
    """
    return cross_entropy(logits - margins * targets, targets, weights)


def balanced_weights(counts: np.ndarray, beta: float) -> Tensor:
    """Weights (K,) of classes seen `counts` (K,) times, whose mean over the classes that were seen is 1.

    (1 - beta) / (1 - beta^n), the inverse of the effective number of samples: Cui et al. 2019, arXiv 1901.05555,
    equation 4. A beta of 0 weighs all alike, one near 1 by inverse frequency. A class never seen weighs 0.
    """
    seen = counts > 0
    effective = (1 - beta ** np.where(seen, counts, 1)) / (1 - beta)
    weights = np.where(seen, 1 / effective, 0.0)
    return torch.from_numpy(weights * seen.sum() / weights.sum()).float()


def rare_margins(counts: np.ndarray, largest: float) -> Tensor:
    """Margins (K,) in proportion to n^(-1/4), the rarest class's being `largest` (LDAM, equation 11).

    A class never seen has none.
    """
    seen = counts > 0
    shape = np.where(seen, np.where(seen, counts, 1.0) ** -0.25, 0.0)
    return torch.from_numpy(largest * shape / shape.max()).float()


def class_counts(targets: np.ndarray) -> np.ndarray:
    """(K,) how often each class is seen in targets (N, K): the sum of its shares."""
    return targets.sum(axis=0, dtype=np.float64)


def _weighted(targets: Tensor, weights: Tensor | None) -> Tensor:
    return targets if weights is None else targets * weights
