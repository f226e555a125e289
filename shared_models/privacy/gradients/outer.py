"""Gradients of linear maps as sums of outer products, so that a norm is known before anything is summed.

Over S steps the gradient of a weight is the sum of delta_s x input_s. Its squared norm needs no gradient: it is the sum
over pairs of steps of (delta_s . delta_r) * (input_s . input_r), two small Gram matrices (Li et al. 2022, "Large
Language Models Can Be Strong Differentially Private Learners", section 4). The clipped sum is then one matrix product
for each weight (Bu et al. 2023, "Differentially Private Optimization on Large Model at Small Cost", section 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Outer:
    """Weights (G, D) whose gradient is the sum of delta x inputs, and biases (G) whose gradient is the sum of delta.

    delta:  (S, B, G)
    inputs: by name of the weight, each (S, B, D)
    biases: names
    """

    delta: Tensor
    inputs: dict[str, Tensor]
    biases: Sequence[str]

    def squared_norms(self) -> Tensor:
        """(B,) squared L2 norm of each sequence's gradient of all these weights and biases."""
        met = sum((_gram(given) for given in self.inputs.values()), torch.tensor(float(len(self.biases))))
        return (_gram(self.delta) * met).sum((1, 2))

    def weighted_sum(self, weights: Tensor) -> dict[str, Tensor]:
        """The sum over sequences of their gradients times `weights` (B,)."""
        scaled = (self.delta * weights[:, None]).flatten(0, 1)
        sums = {name: scaled.T @ given.flatten(0, 1) for name, given in self.inputs.items()}
        return sums | dict.fromkeys(self.biases, scaled.sum(0))


def _gram(steps: Tensor) -> Tensor:
    """(S, B, D) -> (B, S, S): the inner products of each sequence's steps."""
    by_sequence = steps.transpose(0, 1)
    return torch.bmm(by_sequence, by_sequence.transpose(1, 2))
