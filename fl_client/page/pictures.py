"""Stored faces as PNG, made in memory for the student's own browser."""

import cv2
import numpy as np


def thumbnail(frames: np.ndarray) -> bytes:
    """The middle one of frames (T, 1, H, W) uint8."""
    return _png(frames[len(frames) // 2, 0])


def strip(frames: np.ndarray, across: int = 8) -> bytes:
    """Frames (T, 1, H, W) uint8 in rows of `across`, the last of them filled up with black."""
    count, _, height, width = frames.shape
    rows = -(-count // across)
    whole = np.zeros((rows * across, height, width), np.uint8)
    whole[:count] = frames[:, 0]
    grid = whole.reshape(rows, across, height, width).transpose(0, 2, 1, 3)
    return _png(grid.reshape(rows * height, across * width))


def _png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()
