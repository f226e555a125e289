"""Where a recording takes place and how the head is held."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

_BACKDROP_SIZE = (120, 160)


@dataclass(frozen=True)
class Scene:
    """What stays the same during one recording.

    light:    unit vector from the face towards the light; x right, y down, z towards the camera
    ambient:  share of the light that comes from everywhere, 0 to 1
    level:    exposure; 1 is a well lit room
    noise:    standard deviation of the sensor noise in a 640x480 frame, in gray levels
    blur:     standard deviation of the lens blur in a 640x480 frame, in pixels
    backdrop: seed of the wall behind the person
    """

    light: tuple[float, float, float]
    ambient: float
    level: float
    noise: float
    blur: float
    backdrop: int


@dataclass(frozen=True)
class Pose:
    """The head in one frame: angles in radians; x, y of the point between the eyes, as shares of the frame's
    width and height; scale, the distance between the eyes as a share of the frame's height. Positive yaw
    turns the face to the right of the picture, positive pitch lifts the chin, positive roll is clockwise."""

    yaw: float
    pitch: float
    roll: float
    x: float = 0.5
    y: float = 0.42
    scale: float = 0.14


@lru_cache(maxsize=8)
def backdrop(seed: int) -> np.ndarray:
    """(120, 160, 3) uint8 BGR, read-only: a wall with a few blurred things on it, for a frame of any size."""
    rng = np.random.default_rng(seed)
    height, width = _BACKDROP_SIZE
    wall = rng.uniform(90, 210) * rng.uniform(0.92, 1.08, 3)
    slope = rng.uniform(-0.15, 0.15, 2)
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    shade = 1 + slope[0] * across[None, :, None] + slope[1] * down[:, None, None]
    picture = np.clip(wall * shade, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(2, 5)):
        x, y = rng.integers(0, (width, height))
        colour = np.clip(wall * rng.uniform(0.5, 1.2) * rng.uniform(0.9, 1.1, 3), 0, 255)
        far = (int(x + rng.integers(12, 50)), int(y + rng.integers(12, 70)))
        cv2.rectangle(picture, (int(x), int(y)), far, colour.tolist(), -1)
    picture = cv2.GaussianBlur(picture, (0, 0), 2.5)
    picture.setflags(write=False)
    return picture
