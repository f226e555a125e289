"""Pictures of stored sequences, made in memory: to look at on the page, and to export."""

import cv2
import numpy as np

from shared_models.errors import DataError


def strip(frames: np.ndarray) -> bytes:
    """A PNG with the frames (T, 1, H, W) side by side, first to last."""
    return _png(np.concatenate(frames[:, 0], axis=1))


def thumbnail(frames: np.ndarray) -> bytes:
    """A PNG of the frame in the middle of (T, 1, H, W)."""
    return _png(frames[len(frames) // 2, 0])


def _png(picture: np.ndarray) -> bytes:
    made, png = cv2.imencode(".png", picture)
    if not made:
        raise DataError("A picture of a sequence could not be made", why=f"its shape is {picture.shape}")
    return png.tobytes()
