"""Stills become sequences: the picture is held before a slowly moving camera.

Data sets of single images have no course over time, but a sequence model wants T frames. T equal frames
would teach it that faces never move; a small smooth camera motion pretends no expression and still gives
every frame its own pixels.
"""

import hashlib
from dataclasses import replace

import cv2
import numpy as np

from shared_models.data.sequences import SEQUENCE_FRAMES, Sequences
from shared_models.errors import DataError

MAX_SHIFT = 2.0  # pixels
MAX_TURN = 4.0  # degrees
MAX_ZOOM = 0.05  # of the size
MAX_GAIN = 0.04  # of the brightness
_POSES = 4


def to_sequences(stills: Sequences, length: int = SEQUENCE_FRAMES, seed: int = 0) -> Sequences:
    """Turn N stills (N, 1, 1, H, W) into N sequences (N, length, 1, H, W).

    A still's motion follows from `seed` and its digest, never from its place in the list, so that it
    becomes the same sequence in every subset and order.

    Raises DataError where `stills` holds sequences already.
    """
    count, frames, _, height, width = stills.frames.shape
    if frames != 1:
        raise DataError("Only stills can be turned into sequences", why=f"these have {frames} frames each")
    moving = np.empty((count, length, 1, height, width), dtype=np.uint8)
    for out, still, digest in zip(moving, stills.frames, stills.digests, strict=True):
        out[:, 0] = move_camera(still[0, 0], digest, length, seed)
    return replace(stills, frames=moving)


def move_camera(still: np.ndarray, digest: str, length: int = SEQUENCE_FRAMES, seed: int = 0) -> np.ndarray:
    """Film one still (H, W) uint8: (length, H, W) uint8, its motion drawn from `seed` and `digest`."""
    height, width = still.shape
    path = _path(digest, length, seed)
    film = np.empty((length, height, width), dtype=np.uint8)
    for frame, matrix, gain in zip(film, _warps(path, height, width), 1 + MAX_GAIN * path[:, 4], strict=True):
        warped = cv2.warpAffine(still, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        cv2.convertScaleAbs(warped, dst=frame, alpha=gain)
    return film


def _path(digest: str, length: int, seed: int) -> np.ndarray:
    """(length, 5) in [-1, 1]: x, y, turn, zoom and gain, gliding through a few random poses."""
    key = hashlib.sha256(f"{seed}:{digest}".encode()).digest()
    poses = np.random.default_rng(int.from_bytes(key[:8], "big")).uniform(-1, 1, (_POSES, 5))
    time = np.linspace(0, _POSES - 1, length)
    before = np.minimum(time.astype(int), _POSES - 2)
    share = (1 - np.cos(np.pi * (time - before)))[:, None] / 2
    return poses[before] * (1 - share) + poses[before + 1] * share


def _warps(path: np.ndarray, height: int, width: int) -> np.ndarray:
    """(length, 2, 3) affine matrices that turn and zoom about the centre, then shift."""
    x, y, turn, zoom = path[:, :4].T
    angle, scale = np.radians(MAX_TURN * turn), 1 + MAX_ZOOM * zoom
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    across = (1 - cos) * centre_x - sin * centre_y + MAX_SHIFT * x
    down = sin * centre_x + (1 - cos) * centre_y + MAX_SHIFT * y
    return np.stack([cos, sin, across, -sin, cos, down], axis=1).reshape(-1, 2, 3)
