"""What a poor webcam does to a face crop: blur, too sharp edges, few pixels, frames that are lost."""

import torch
from torch import Tensor
from torch.nn import functional as F

_SHARE = 0.25
_SHARPEST, _BLURRIEST = -0.5, 1.0
_FEWEST, _MOST = 1 / 3, 2 / 3


def degrade(frames: Tensor, generator: torch.Generator) -> Tensor:
    """(N, C, H, W) of which a quarter is blurred or sharpened, another shown with fewer pixels.

    All channels of one item are treated alike.
    """
    part = int(_SHARE * len(frames))
    order = torch.randperm(len(frames), generator=generator)
    blurred, coarse = order[:part], order[part : 2 * part]
    degraded = frames.clone()
    degraded[blurred] = _blur(frames[blurred], generator)
    degraded[coarse] = _coarsen(frames[coarse], generator)
    return degraded


def moments_with_drops(count: int, length: int, share: float, generator: torch.Generator) -> Tensor:
    """(count, length) int64: for each moment the one that is seen, where `share` of the frames is lost on average.

    A lost frame leaves the last one standing, as a stalled camera does; the first is never lost.
    """
    moments = torch.arange(length).expand(count, length).clone()
    lost = torch.rand(count, length, generator=generator) < share
    moments[lost] = 0
    return moments.cummax(dim=1).values


def _blur(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Towards the mean of 3x3 pixels, or away from it."""
    strength = _SHARPEST + (_BLURRIEST - _SHARPEST) * torch.rand(len(frames), 1, 1, 1, generator=generator)
    smooth = F.avg_pool2d(F.pad(frames, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return frames.lerp(smooth, strength)


def _coarsen(frames: Tensor, generator: torch.Generator) -> Tensor:
    """All of them through one smaller size: a size each would cost a pass each."""
    if not len(frames):
        return frames
    share = _FEWEST + (_MOST - _FEWEST) * float(torch.rand(1, generator=generator))
    size = frames.shape[-2:]
    few = F.interpolate(frames, size=[max(1, round(share * side)) for side in size], mode="area")
    return F.interpolate(few, size=size, mode="bilinear", align_corners=False)
