"""What a model's numbers are, as its label scheme says: how they are read, and what they lose against a target.

Each loss is the one whose gradient in the logits is what is read off them minus the target (the canonical link of a
generalised linear model: McCullagh and Nelder 1989, section 2.2.4). Passes that are written out need no more than that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from shared_models.errors import ModelError


@dataclass(frozen=True)
class Output:
    """read: logits (..., K) -> what targets are compared with, (..., K); losses: logits, targets (N, K) -> (N,)

    reading: how logits are read, in words, for whoever has nothing but an exported file
    """

    name: str
    reading: str
    read: Callable[[Tensor], Tensor]
    losses: Callable[[Tensor, Tensor], Tensor]


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, -1)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none")


def _binary_cross_entropies(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)


def _identity(logits: Tensor) -> Tensor:
    return logits


def _half_squares(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits - targets).square().sum(1) / 2


CATEGORICAL = Output("categorical", "their softmax is the probability of each class", _softmax, _cross_entropy)
"""One class: a distribution over all of them."""
MULTI_LABEL = Output(
    "multi-label", "the sigmoid of each is the probability of its class", torch.sigmoid, _binary_cross_entropies
)
"""Any number of classes: a probability for each."""
LEVELS = Output(
    "levels",
    "the sigmoid of each is the probability that its state reaches its level, which is how many are at least a half",
    torch.sigmoid,
    _binary_cross_entropies,
)
"""Ordered levels: the probability that each is reached (Niu et al. 2016, section 3.2); a target is 1 up to its own."""
VALUES = Output("values", "each is the value itself", _identity, _half_squares)
"""Numbers, such as valence and arousal in [-1, 1]."""
_OUTPUTS = {output.name: output for output in (CATEGORICAL, MULTI_LABEL, LEVELS, VALUES)}


def output_by_name(name: str) -> Output:
    """Raises ModelError where there is none."""
    if name not in _OUTPUTS:
        raise ModelError(f"A model has no output '{name}'", fix=f"Use one of: {', '.join(_OUTPUTS)}")
    return _OUTPUTS[name]
