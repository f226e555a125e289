"""Trimmed mean and median of every coordinate: a few devices that lie move the model less than they move a mean.

Both need all values of a coordinate at once. The parameters are therefore taken in blocks of columns, as many columns
as a fixed number of bytes holds for the whole cohort, with one pass over the updates for each block.

Claims. For the unit `sequence` every update carries the whole noise of its claim, so what is made of the updates is
post-processing: the claims stand. For the unit `participant` an update carries a share of the noise, and only the sum
of all shares is worth the claim, which neither rule takes: `rule_by_settings` refuses both.
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from shared_models.wire import Shapes

_BLOCK_BYTES = 128 << 20
_VALUE_BYTES = 4
Block = list[tuple[str, slice]]
"""Columns that are neighbours: names of weights, and which of each weight's values."""


class TrimmedMean:
    """The mean of a coordinate without its `floor(trim * n)` largest and as many smallest values.

    Yin et al. 2018, "Byzantine-Robust Distributed Learning", definition 2. It holds out against that many liars: with
    fewer than 1/trim updates against none.
    """

    def __init__(self, trim: float) -> None:
        """trim: at least 0, below 1/2"""
        self._trim = trim

    def combine(self, updates: Iterable[Mapping[str, Tensor]], shapes: Shapes) -> dict[str, Tensor]:
        count = sum(1 for _ in updates)
        return _mean_without(updates, shapes, count, int(self._trim * count))


class Median:
    """The median of each coordinate; of an even number of values, the mean of the middle two.

    Yin et al. 2018, definition 1. It holds out against any minority, and is the noisier for it: of Gaussian values
    its variance is up to pi/2 times that of their mean.
    """

    def combine(self, updates: Iterable[Mapping[str, Tensor]], shapes: Shapes) -> dict[str, Tensor]:
        count = sum(1 for _ in updates)
        return _mean_without(updates, shapes, count, (count - 1) // 2)


def _mean_without(
    updates: Iterable[Mapping[str, Tensor]], shapes: Shapes, count: int, extremes: int
) -> dict[str, Tensor]:
    """Each coordinate's mean over `count` updates without the `extremes` largest and smallest values; float32."""
    combined = {name: torch.zeros(shape) for name, shape in shapes.items()}
    if count == 0:
        return combined
    for block in _blocks(shapes, max(_BLOCK_BYTES // (_VALUE_BYTES * count), 1)):
        widths = [columns.stop - columns.start for _, columns in block]
        values = _sorted_columns(updates, block, (count, sum(widths)))
        means = torch.from_numpy(values[extremes : count - extremes].mean(axis=0, dtype=np.float64))
        del values  # before the next block is there
        for (name, columns), piece in zip(block, means.split(widths), strict=True):
            combined[name].view(-1)[columns] = piece
    return combined


def _sorted_columns(updates: Iterable[Mapping[str, Tensor]], block: Block, shape: tuple[int, int]) -> np.ndarray:
    """(n, width) the values of a block's columns over all n updates, each column in ascending order."""
    values = np.empty(shape, dtype=np.float32)
    for row, update in zip(values, updates, strict=True):
        np.concatenate([update[name].reshape(-1)[columns].numpy() for name, columns in block], out=row)
    values.sort(axis=0)
    return values


def _blocks(shapes: Shapes, width: int) -> Iterator[Block]:
    """All parameters in order, in blocks of `width` columns; the last block has what is left."""
    block, room = Block(), width
    for name, shape in shapes.items():
        start, size = 0, math.prod(shape)
        while start < size:
            stop = min(size, start + room)
            block.append((name, slice(start, stop)))
            room, start = room - (stop - start), stop
            if room == 0:
                yield block
                block, room = [], width
    if block:
        yield block
