"""What all frame encoders have in common: maps of one frame, attention on them, and their mean."""

from torch import Tensor, nn


class FrameEncoder(nn.Module):
    """Gray face crops (N, 1, H, W) in [0, 1] -> features (N, D); where `pooled` is off, maps (N, D, h, w).

    A subclass gives `maps`. It addresses channels and pixels from the end, so that the same code takes whole sequences
    (B, T, 1, H, W) where per-sequence gradients are taken by Opacus.
    """

    features: int
    """D"""
    stride: int
    """Pixels between neighbouring places of the maps: place (i, j) looks at the pixel (stride * i, stride * j)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention: nn.Module = nn.Identity()
        self.pooled = True

    @property
    def channels(self) -> int:
        """Of the maps."""
        return self.features

    def maps(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1] -> (N, D, h, w)."""
        raise NotImplementedError

    def last_maps(self, x: Tensor) -> Tensor:
        """As `maps`, weighed by attention: the last of a frame that still has places."""
        maps: Tensor = self.attention(self.maps(x))
        return maps

    def features_of(self, maps: Tensor) -> Tensor:
        """What the encoder gives of its last maps."""
        return self.pool(maps) if self.pooled else maps

    def forward(self, x: Tensor) -> Tensor:
        return self.features_of(self.last_maps(x))

    def pool(self, maps: Tensor) -> Tensor:
        """(N, D, h, w) -> (N, D)."""
        return maps.mean((-2, -1))
