"""Attention on a frame's maps: which channels count, and which places (CBAM: Woo et al. 2018, arXiv 1807.06521)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_REDUCTION = 8
_WINDOW = 7


class ChannelAttention(nn.Module):
    """A weight in (0, 1) for each channel, from the mean and the peak of all channels (section 3, equation 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // _REDUCTION)
        self.excite = nn.Linear(channels // _REDUCTION, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        seen = torch.stack((maps.mean((-2, -1)), maps.amax((-2, -1))), dim=-2)
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(seen))).sum(-2))
        return maps * weights[..., None, None]


class SpatialAttention(nn.Module):
    """A weight in (0, 1) for each place, from the mean and the peak over channels around it (section 3, equation 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, _WINDOW, padding=_WINDOW // 2)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        seen = torch.cat((maps.mean(-3, keepdim=True), maps.amax(-3, keepdim=True)), dim=-3)
        return maps * torch.sigmoid(self.weigh(seen))


def attention_by_name(name: str, channels: int) -> nn.Module:
    """`channel`, `spatial`, `cbam` for the first before the second, or nothing for the empty name."""
    if name == "channel":
        return ChannelAttention(channels)
    if name == "spatial":
        return SpatialAttention()
    if name == "cbam":
        return nn.Sequential(ChannelAttention(channels), SpatialAttention())
    return nn.Identity()
