"""Views of one sequence for augmentation multiplicity. They are fixed and public: nothing about them tells the data."""

import torch
from torch import Tensor

from shared_models.data.augmentation import augment


def views_of(frames: Tensor, count: int) -> Tensor:
    """(T, 1, H, W) in [0, 1] -> (count, T, 1, H, W): the sequence as it is, then transformed by fixed random views.

    Every frame of a view is transformed alike, and view v is the same transformation for every sequence.
    """
    as_channels = frames.transpose(0, 1)
    others = [augment(as_channels, torch.Generator().manual_seed(number)).transpose(0, 1) for number in range(1, count)]
    return torch.stack([frames, *others])
