"""The encoder that starter weights ship for: residual, channels weighed, and GroupNorm in place of BatchNorm.

A statistic over a batch would mix sequences, and no gradient of one sequence would exist.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared_models.networks.frames import FrameEncoder

_GROUPS = 8
_REDUCTION = 8
_FOLD = 2


class SqueezeExcitation(nn.Module):
    """A weight in (0, 1) for each channel, from the means of all channels (Hu et al. 2018, section 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // _REDUCTION)
        self.excite = nn.Linear(channels // _REDUCTION, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((-2, -1))))))
        return x * weights[..., None, None]


class AttentiveBlock(nn.Module):
    """Two 3x3 convolutions with GroupNorm, channels weighed, beside a shortcut; `stride` 2 halves the resolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(_GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(_GROUPS, outputs)
        self.attention = SqueezeExcitation(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.attention(self.norm2(self.conv2(y))) + self.shortcut(x))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False))


class CompactEncoder(FrameEncoder):
    """For one gray face crop: 0.51M parameters, 128 features.

    Each 2x2 pixels become four channels first, so that no layer works at full resolution: half of the time there
    would go into a handful of weights.
    """

    features, stride = 128, 8

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(_FOLD**2, 32, 3, 1, 1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, 32)
        self.blocks = nn.Sequential(
            AttentiveBlock(32, 48, 1),
            AttentiveBlock(48, 80, 2),
            AttentiveBlock(80, 80, 1),
            AttentiveBlock(80, self.features, 2),
        )

    def maps(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1], H and W even -> (N, 128, H / 8, W / 8)."""
        y = F.pixel_unshuffle(x - 0.5, _FOLD)
        maps: Tensor = self.blocks(F.relu(self.norm(self.stem(y))))
        return maps
