"""The noise itself, as an auditor sees it who takes every sequence's gradient out of an upload.

A score compares canaries with one another and cannot tell fresh noise from noise that is repeated: a seed used twice
makes scores worse, not better. But whoever subtracts two uploads is rid of it. So what is left of the uploads is
looked at: how much it is, and whether any two have something in common.
"""

import math

import torch
from scipy.stats import norm
from torch import Tensor

_COORDINATES = 4096
"""Numbers of an upload that are compared with those of other uploads; bounds memory."""
_TOLERANCE = 0.05
"""Share by which noise may differ from its claim before it counts: gradients that turn within a round add a little."""


class ResidualNoise:
    """What is left of every upload of a trial."""

    def __init__(self, deviation: float, seed: int) -> None:
        """deviation: standard deviation, in each number of an upload, that the policy claims"""
        self._deviation = deviation
        self._generator = torch.Generator().manual_seed(seed)
        self._chosen: Tensor | None = None
        self._kept: list[Tensor] = []
        self._squares, self._freedom = 0.0, 0

    def add(self, residual: Tensor, explained: int) -> None:
        """residual: (d,), an upload less everything in the span of `explained` gradients."""
        if self._chosen is None:
            self._chosen = torch.randperm(len(residual), generator=self._generator)[:_COORDINATES]
        self._kept.append(residual[self._chosen])
        self._squares += float(residual.double().square().sum())
        self._freedom += len(residual) - explained

    @property
    def scale(self) -> float:
        """The noise's standard deviation over that which is claimed."""
        return math.sqrt(self._squares / self._freedom) / self._deviation

    @property
    def correlation(self) -> float:
        """The largest correlation, without its sign, of any two uploads' noise."""
        rows = torch.nn.functional.normalize(torch.stack(self._kept).double(), dim=1)
        return float((rows @ rows.T).fill_diagonal_(0).abs().max())

    def scale_limit(self, error_rate: float) -> float:
        """How far from 1 the scale is allowed to be: a twentieth, and what chance makes of so many numbers."""
        return _TOLERANCE + float(norm.isf(error_rate / 2)) / math.sqrt(2 * self._freedom)

    def correlation_limit(self, error_rate: float) -> float:
        """What the largest correlation of independent noise stays below, but for a probability of `error_rate`.

        By Fisher's approximation for each pair, and Bonferroni over pairs.
        """
        pairs = len(self._kept) * (len(self._kept) - 1) / 2
        freedom = min(self._freedom / len(self._kept), _COORDINATES)
        return math.tanh(float(norm.isf(error_rate / 2 / max(1.0, pairs))) / math.sqrt(freedom - 3))
