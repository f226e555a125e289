"""From stored bytes to what a model takes."""

import numpy as np
import torch
from torch import Tensor


def to_input(frames: np.ndarray) -> Tensor:
    """uint8 (..., H, W) -> float32 in [0, 1], of the same shape."""
    return torch.from_numpy(frames.astype(np.float32)) / 255
