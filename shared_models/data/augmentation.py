"""Random views of face crops: geometry, light, occlusion. On private data only in fixed, public draws: see `views`."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def augment(frames: Tensor, generator: torch.Generator, size: int | None = None) -> Tensor:
    """A random view of each of (N, C, H, W) in [0, 1]: rotated, scaled, shifted, mirrored, relit, part erased.

    All channels of one item are transformed alike. The view has `size` pixels a side, the frames' own where none is
    given.
    """
    shape = [*frames.shape[:2], size or frames.shape[2], size or frames.shape[3]]
    turned = F.grid_sample(
        frames,
        F.affine_grid(_affine(len(frames), generator), shape, align_corners=False),
        padding_mode="reflection",
        align_corners=False,
    )
    return _erase(_relight(turned, generator), generator)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _affine(count: int, generator: torch.Generator) -> Tensor:
    angle = _uniform(count, -math.pi / 10, math.pi / 10, generator)
    scale = _uniform(count, 0.85, 1.15, generator)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = scale * angle.cos() * mirror
    matrix[:, 0, 1] = -scale * angle.sin()
    matrix[:, 1, 0] = scale * angle.sin() * mirror
    matrix[:, 1, 1] = scale * angle.cos()
    matrix[:, :, 2] = 0.2 * (torch.rand(count, 2, generator=generator) - 0.5)
    return matrix


def _relight(frames: Tensor, generator: torch.Generator) -> Tensor:
    count = len(frames)
    contrast = _uniform(count, 0.7, 1.3, generator).view(-1, 1, 1, 1)
    brightness = _uniform(count, -0.15, 0.15, generator).view(-1, 1, 1, 1)
    mean = frames.mean((-2, -1), keepdim=True)
    return ((frames - mean) * contrast + mean + brightness).clamp(0, 1)


def _erase(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the frames lose one rectangle of up to a third of each side."""
    count, _, height, width = frames.shape
    sides = _uniform(2 * count, 0.1, 0.35, generator).view(2, count) * torch.tensor([[height], [width]])
    corners = torch.rand(2, count, generator=generator) * (torch.tensor([[height], [width]]) - sides)
    rows, columns = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    top, left = corners.view(2, count, 1, 1)
    tall, wide = sides.view(2, count, 1, 1)
    inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    inside &= (torch.rand(count, generator=generator) < 0.5).view(-1, 1, 1)
    return frames.masked_fill(inside.unsqueeze(1), 0.5)
