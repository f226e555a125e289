"""From the frames of one clip to its face crops."""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np

from shared_models.data.faces import Face, FaceFinder, crop_face, single_face
from shared_models.data.sequences import CROP_SIZE


def pixel_digest(frames: Sequence[np.ndarray]) -> str:
    """The first 16 hex digits of the SHA-256 of the gray pixels of frames (H, W, 3) BGR or (H, W), uint8.

    It names the source, not the file format nor the face finder, so that copies are recognised.
    """
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(_gray(frame).tobytes())
    return digest.hexdigest()[:16]


def shrink_frames(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Frames that are face crops already, made gray and resized: (T, CROP_SIZE, CROP_SIZE) uint8."""
    size = (CROP_SIZE, CROP_SIZE)
    return np.stack([cv2.resize(_gray(frame), size, interpolation=cv2.INTER_AREA) for frame in frames])


def find_crops(frames: Sequence[np.ndarray], finder: FaceFinder) -> np.ndarray | None:
    """The face in each frame: (T, CROP_SIZE, CROP_SIZE) uint8.

    A frame without exactly one face takes the crop of the nearest frame that has one; where fewer than half
    of the frames have one, the answer is None.
    """
    crops = {}
    for t, frame in enumerate(frames):
        face = single_face(finder, frame)
        if isinstance(face, Face):
            crops[t] = crop_face(frame, face)
    if not crops or len(crops) < len(frames) / 2:
        return None
    return np.stack([crops[min(crops, key=lambda good: abs(good - t))] for t in range(len(frames))])


def _gray(frame: np.ndarray) -> np.ndarray:
    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
