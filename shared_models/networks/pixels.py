"""Pixels as they are: what a recurrent network alone has to work with."""

from torch import Tensor
from torch.nn import functional as F

from shared_models.networks.frames import FrameEncoder

_GRID = 8
_SHRINK = 2


class PixelEncoder(FrameEncoder):
    """Nothing is learnt: features are the mean light in each field of an 8x8 grid, maps the frame at half its size."""

    features, stride = _GRID**2, _SHRINK

    @property
    def channels(self) -> int:
        return 1

    def maps(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1], H and W divisible by 16 -> (N, 1, H / 2, W / 2)."""
        return F.avg_pool2d(x - 0.5, _SHRINK)

    def pool(self, maps: Tensor) -> Tensor:
        """(N, 1, h, w) -> (N, 64)."""
        return F.adaptive_avg_pool2d(maps, _GRID).flatten(-3)
