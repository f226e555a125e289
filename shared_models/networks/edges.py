"""The geometry of a face without landmarks: which way its edges run, and where."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from shared_models.networks.frames import FrameEncoder

_GRID, _DIRECTIONS = 8, 6
_SHRINK = 2
_TWICE = 2 * math.pi * torch.arange(_DIRECTIONS)[:, None, None] / _DIRECTIONS
_COSINES, _SINES = torch.cos(_TWICE), torch.sin(_TWICE)
_LEAST_SQUARE, _LEAST_ENERGY = 1e-6, 1e-4


class EdgeEncoder(FrameEncoder):
    """Nothing is learnt: oriented gradients in each field of an 8x8 grid, relative to those of the fields around it.

    Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", sections 6.2-6.4; a gradient counts
    for a direction by the cosine of twice the angle between them, where that is positive, which needs no angles.
    """

    features, stride = _DIRECTIONS * _GRID**2, _SHRINK

    @property
    def channels(self) -> int:
        return _DIRECTIONS

    def maps(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1], H and W divisible by 16 -> (N, 6, H / 2, W / 2), the strength in each direction."""
        across = F.pad(x[..., 2:] - x[..., :-2], (1, 1))
        down = F.pad(x[..., 2:, :] - x[..., :-2, :], (0, 0, 1, 1))
        strength = torch.sqrt(across.square() + down.square() + _LEAST_SQUARE)
        doubled = _COSINES * (across.square() - down.square()) + _SINES * (2 * across * down)
        return F.avg_pool2d(F.relu(doubled) / strength, _SHRINK)

    def pool(self, maps: Tensor) -> Tensor:
        """(N, 6, h, w) -> (N, 384)."""
        fields = F.adaptive_avg_pool2d(maps, _GRID)
        energy = F.avg_pool2d(fields.square().sum(-3, keepdim=True), 3, 1, 1, count_include_pad=False)
        return (fields / torch.sqrt(energy + _LEAST_ENERGY)).flatten(-3)
