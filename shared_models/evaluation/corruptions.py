"""What spoils a webcam's picture, in fixed steps: the same pictures are spoiled in the same way each time.

The idea is that of Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (arXiv 1903.12261): named corruptions at named severities, never drawn at random. Theirs are for
photographs of things; these are what happens to a face before a laptop.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from shared_models.data.degradation import moments_with_drops
from shared_models.data.sequences import Sequences

Apply = Callable[[np.ndarray, np.random.Generator], np.ndarray]
DROPPED_FRAMES = "dropped frames"


@dataclass(frozen=True)
class Corruption:
    """slice:    what happens, such as `blur`
    severity: how much of it, in its own unit
    apply:    frames (T, H, W) uint8 of one sequence and a source of chance -> the same, spoiled
    """

    slice: str
    severity: str
    apply: Apply


def low_light(gain: float, noise: float) -> Corruption:
    """Pixels at `gain` times their brightness, and a sensor's noise of `noise` gray levels (standard deviation).

    Each frame has noise of its own.
    """

    def apply(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _as_pixels(gain * frames + noise * rng.standard_normal(frames.shape, np.float32))

    return Corruption("low light", f"gain {gain:g}, noise {noise:g}", apply)


def blur(sigma: float) -> Corruption:
    """Out of focus: a Gaussian with a standard deviation of `sigma` pixels of the crop."""

    def apply(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for frame in frames])

    return Corruption("blur", f"sigma {sigma:g} px", apply)


def occlusion(name: str, rows: tuple[float, float], columns: tuple[float, float], shade: int) -> Corruption:
    """A flat patch of gray level `shade`; `rows` and `columns` from and to, as shares of the crop.

    The eyes of an aligned crop lie at .4 of its height and the mouth at .75.
    """

    def apply(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = frames.shape[1:]
        top, bottom = (round(share * height) for share in rows)
        left, right = (round(share * width) for share in columns)
        covered = frames.copy()
        covered[:, top:bottom, left:right] = shade
        return covered

    return Corruption("occlusion", name, apply)


def low_resolution(pixels: int) -> Corruption:
    """Far from the camera: a crop of `pixels` a side, scaled up."""

    def apply(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = frames.shape[1:]
        few = (cv2.resize(frame, (pixels, pixels), interpolation=cv2.INTER_AREA) for frame in frames)
        return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in few])

    return Corruption("low resolution", f"{pixels} px", apply)


def dropped_frames(share: float) -> Corruption:
    """A camera that stalls: `share` of the frames, on average, are the frame before once more; the first never is."""

    def apply(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return frames[moments_with_drops(1, len(frames), share, chance)[0].numpy()]

    return Corruption(DROPPED_FRAMES, f"{share:.0%}", apply)


CORRUPTIONS = (
    low_light(gain=0.5, noise=4),
    low_light(gain=0.2, noise=8),
    blur(sigma=1),
    blur(sigma=2),
    occlusion("lower third", rows=(2 / 3, 1), columns=(0, 1), shade=190),
    occlusion("eyes", rows=(0.3, 0.5), columns=(0.1, 0.9), shade=25),
    low_resolution(pixels=24),
    low_resolution(pixels=12),
    dropped_frames(share=0.25),
    dropped_frames(share=0.5),
)
"""In the order of the table; of two steps the milder one comes first."""


def corrupt(sequences: Sequences, corruption: Corruption) -> Sequences:
    """The same sequences, (N, T, 1, H, W), as such a camera would have seen them.

    Chance follows from a sequence's own pixels, so that it is spoiled alike in every subset and order.
    """
    frames = np.empty_like(sequences.frames)
    for seen, clean in zip(frames, sequences.frames, strict=True):
        seen[:, 0] = corruption.apply(clean[:, 0], _chance(clean))
    return replace(sequences, frames=frames)


def _chance(frames: np.ndarray) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(frames.tobytes()).digest()[:8], "big"))


def _as_pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
