"""The mean of updates, added one by one: memory for one model, however many devices answer."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from shared_models.wire import Shapes


class StreamingMean:
    """The mean of updates, each counting the same: how many sequences a device holds is private."""

    def __init__(self, shapes: Shapes) -> None:
        self._total = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
        self.count = 0

    def add(self, delta: Mapping[str, Tensor]) -> None:
        for name, total in self._total.items():
            total.add_(delta[name])
        self.count += 1

    def result(self) -> dict[str, Tensor]:
        """float32, of the shapes given; zero where nothing was added."""
        return {name: (total / max(self.count, 1)).float() for name, total in self._total.items()}


class Mean:
    """The plain mean: FedAvg (McMahan et al. 2017, algorithm 1) with every weight the same. One pass over the updates.

    The mean is the sum times a public number, so the claims for both units stand as they are printed.
    """

    def combine(self, updates: Iterable[Mapping[str, Tensor]], shapes: Shapes) -> dict[str, Tensor]:
        mean = StreamingMean(shapes)
        for update in updates:
            mean.add(update)
        return mean.result()
