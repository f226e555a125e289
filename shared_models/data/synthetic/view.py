"""From face coordinates to pixels."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np

from shared_models.data.synthetic.scene import Pose

HEAD_MIDDLE, HEAD_RADII = np.array([0.0, 0.12]), np.array([1.2, 1.8])  # the head's ellipsoid, eye distances
_DEPTH = 0.95
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class View:
    """A parallel projection: pixel = turn @ (x, y, z) + origin, from face coordinates to a canvas."""

    turn: np.ndarray  # (2, 3)
    origin: np.ndarray  # (2,)
    pixels: float  # of one eye distance

    @classmethod
    def of(cls, pose: Pose, pixels: float, origin: tuple[float, float]) -> "View":
        """The view that shows an eye distance as `pixels` and the point between the eyes at `origin`."""
        cy, sy = np.cos(pose.yaw), np.sin(pose.yaw)
        cp, sp = np.cos(pose.pitch), np.sin(pose.pitch)
        cr, sr = np.cos(pose.roll), np.sin(pose.roll)
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0]])
        turn = pixels * roll @ pitch @ yaw
        return cls(turn, np.array(origin) - turn[:, 2] * _DEPTH, pixels)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) points on the face to (N, 2) pixels; depth is that of the head's ellipsoid."""
        x, y = ((points - HEAD_MIDDLE) / HEAD_RADII).T
        depth = _DEPTH * np.sqrt(np.maximum(0.0, 1 - x * x - y * y))
        return points @ self.turn[:, :2].T + depth[:, None] * self.turn[:, 2] + self.origin

    def resized(self, across: float, down: float) -> "View":
        """The same view of a canvas that is `across` times as wide and `down` times as high."""
        factors = np.array([across, down])
        return View(self.turn * factors[:, None], self.origin * factors, self.pixels * np.sqrt(across * down))

    def fill(
        self, canvas: np.ndarray, outlines: list[np.ndarray], colours: Iterable[tuple[float, ...] | float]
    ) -> None:
        """Draw closed outlines, (N, 2) each, onto `canvas`, antialiased, one over the other."""
        # One projection for all of them is much faster than one for each.
        pixels = self.project(np.concatenate(outlines)) * 2**_SUBPIXEL_BITS
        fixed = np.rint(pixels).astype(np.int32)
        ends = list(accumulate(map(len, outlines)))
        for start, end, colour in zip([0, *ends[:-1]], ends, colours, strict=True):
            cv2.fillPoly(canvas, [fixed[start:end]], colour, cv2.LINE_AA, _SUBPIXEL_BITS)
