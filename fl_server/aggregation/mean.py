"""The mean of updates, added one by one: memory for one model, however many devices answer."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from shared_models.wire import Shapes


class StreamingMean:
    """The mean of updates, each counting the same: how many sequences a device holds is private."""

    def __init__(self, shapes: Shapes) -> None:
        self._total = {name: np.zeros(shape) for name, shape in shapes.items()}
        self.count = 0

    def add(self, delta: Mapping[str, Tensor]) -> None:
        """NumPy adds float32 to float64 in place; torch would copy the whole update to float64 first."""
        for name, total in self._total.items():
            np.add(total, delta[name].numpy(), out=total)
        self.count += 1

    def result(self) -> dict[str, Tensor]:
        """float32, of the shapes given; zero where nothing was added."""
        return {name: torch.from_numpy(self._mean(total)) for name, total in self._total.items()}

    def _mean(self, total: np.ndarray) -> np.ndarray:
        return np.divide(total, max(self.count, 1), out=np.empty(total.shape, np.float32), casting="same_kind")


class Mean:
    """The plain mean: FedAvg (McMahan et al. 2017, algorithm 1) with every weight the same. One pass over the updates.

    The mean is the sum times a public number, so the claims for both units stand as they are printed.
    """

    def combine(self, updates: Iterable[Mapping[str, Tensor]], shapes: Shapes) -> dict[str, Tensor]:
        mean = StreamingMean(shapes)
        for update in updates:
            mean.add(update)
        return mean.result()
