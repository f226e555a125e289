"""The head and everything on it that does not move by itself, as flat outlines.

Coordinates of a face: the origin lies between the eyes, x points to the right of the picture, y down, and
the unit is the average distance between the eyes. Depth comes from the head's ellipsoid, see `view`.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from shared_models.data.synthetic.identity import Beard, HairStyle, Identity

CROWN, CHIN, HALF_WIDTH = -1.5, 1.74, 1.1
JAW_TRAVEL = 0.22
NOSE_TIP = 0.62

_HAIRLINES = {
    HairStyle.SHORT: [
        (-1, -0.25),
        (-0.86, -0.75),
        (-0.5, -1.02),
        (0, -1.08),
        (0.5, -1.02),
        (0.86, -0.75),
        (1, -0.25),
    ],
    HairStyle.FRINGE: [
        (-1.04, 0.1),
        (-0.9, -0.5),
        (-0.6, -0.62),
        (0, -0.66),
        (0.55, -0.6),
        (0.9, -0.5),
        (1.04, 0.1),
    ],
    HairStyle.LONG: [
        (-1.06, 0.5),
        (-0.95, -0.3),
        (-0.65, -0.85),
        (-0.1, -1.12),
        (0.6, -0.85),
        (0.95, -0.3),
        (1.06, 0.5),
    ],
}

_TURN = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


class Shape(NamedTuple):
    """points (N, 2): a closed outline, filled with the colour that `render` calls `paint`."""

    points: np.ndarray
    paint: str


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> np.ndarray:
    """(28, 2) points around the centre (x, y)."""
    return _CIRCLE * (radius_x, radius_y) + (x, y)


def curve(*points: tuple[float, float]) -> np.ndarray:
    """(N, 2) points of a polyline."""
    return np.array(points, dtype=float)


def stroke(points: np.ndarray, width: float) -> np.ndarray:
    """(2N, 2): the closed outline of a line of constant width along `points`."""
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    aside = along[:, ::-1] * (-0.5 * width, 0.5 * width) / np.hypot(along[:, 0], along[:, 1])[:, None]
    return np.concatenate([points + aside, (points - aside)[::-1]])


def mirrored(points: np.ndarray) -> np.ndarray:
    """(2N, 2): an open outline and its mirror image, joined into one closed outline."""
    return np.vstack([points, points[::-1] * (-1, 1)])


def smooth(points: np.ndarray, closed: bool) -> np.ndarray:
    """Corners cut twice (Chaikin's curve)."""
    for _ in range(2):
        following = np.roll(points, -1, axis=0)
        cut = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1)
        cut = cut.reshape(-1, 2)
        points = cut if closed else np.vstack([points[:1], cut[:-2], points[-1:]])
    return points


def head_outline(identity: Identity, jaw_drop: float, grow: float = 1.0) -> np.ndarray:
    """(28, 2): crown to chin; `grow` scales it around the middle of the head."""
    x, y = _CIRCLE[:, 0], _CIRCLE[:, 1]
    low = np.maximum(y, 0)
    narrowing = 1 - (1 - 0.66 * identity.jaw_width) * low**2.2
    across = HALF_WIDTH * identity.face_width * np.sign(x) * np.abs(x) ** 0.8 * narrowing
    chin = CHIN * identity.face_height + JAW_TRAVEL * jaw_drop
    down = np.where(y < 0, -CROWN * y, chin * y)
    return np.stack([across, down], axis=1) * grow


@lru_cache(maxsize=64)
def behind_head(identity: Identity) -> tuple[Shape, ...]:
    """What the head covers: shoulders, neck, long hair, ears."""
    width = HALF_WIDTH * identity.face_width
    shoulders = mirrored(curve((0, 2.15), (0.7, 2.2), (1.9, 2.55), (2.5, 3.2), (2.6, 5.5), (0, 5.5)))
    neck = mirrored(curve((0, 0.8), (0.66, 0.8), (0.64, 1.9), (0.8, 2.3), (0, 2.6)))
    shapes = [Shape(shoulders, "clothes"), Shape(neck, "skin_shadow")]
    if identity.hair_style is HairStyle.LONG:
        hair = mirrored(curve((0, -1.75), (0.8, -1.5), (1.3, -0.6), (1.38, 0.6), (1.45, 2.2), (0.8, 2.35), (0.6, 1)))
        shapes.insert(1, Shape(smooth(hair, closed=True), "hair"))
    shapes += [Shape(ellipse(side * 1.02 * width, 0.25, 0.16, 0.32), "ear") for side in (-1, 1)]
    return tuple(shapes)


@lru_cache(maxsize=64)
def hair(identity: Identity) -> tuple[Shape, ...]:
    """The hair over the forehead."""
    if identity.hair_style not in _HAIRLINES:
        return ()
    width = HALF_WIDTH * identity.face_width
    turn = np.linspace(0.06, 0.94, 15) * np.pi
    top = np.stack([1.1 * width * np.cos(turn), -1.72 * np.sin(turn) + 0.02], axis=1)
    line = smooth(np.array(_HAIRLINES[identity.hair_style]) * (1.04 * identity.face_width, 1), closed=False)
    return (Shape(np.vstack([top, line]), "hair"),)


@lru_cache(maxsize=64)
def nose(identity: Identity) -> tuple[Shape, ...]:
    """The line around the tip, and the nostrils."""
    tip, half = NOSE_TIP * identity.nose_length, 0.2 * identity.nose_width
    line = np.array([(-1, 0.02), (-0.5, 0.1), (0, 0.12), (0.5, 0.1), (1, 0.02)]) * (half, 1) + (0, tip)
    nostrils = [Shape(ellipse(side * 0.5 * half, tip + 0.08, 0.055, 0.032), "nostril") for side in (-1, 1)]
    return (Shape(stroke(line, 0.03), "skin_shadow"), *nostrils)


@lru_cache(maxsize=64)
def glasses(identity: Identity) -> tuple[Shape, ...]:
    """Two rims, a bridge and temples."""
    if not identity.glasses:
        return ()
    eye, radius = 0.5 * identity.eye_spacing, 0.36
    lines = [curve((radius - eye, 0.0), (0, -0.05), (eye - radius, 0.0))]
    for side in (-1, 1):
        rim = ellipse(side * eye, 0.03, radius, 0.28)
        lines.append(np.vstack([rim, rim[:1]]))
        lines.append(curve((side * (eye + radius), -0.02), (side * 1.1 * identity.face_width, -0.05)))
    return tuple(Shape(stroke(line, 0.045), "frame") for line in lines)


def beard(identity: Identity, jaw_drop: float) -> tuple[Shape, ...]:
    """Hair on jaw or upper lip; stubble is a shadow, see `skin`."""
    if identity.beard is Beard.FULL:
        jaw = head_outline(identity, jaw_drop)
        jaw = jaw[jaw[:, 1] > 0.75]
        cheeks = curve((-0.62, 1.0), (-0.3, 0.84), (0, 0.82), (0.3, 0.84), (0.62, 1.0))
        return (Shape(np.vstack([jaw, cheeks]), "beard"),)
    if identity.beard is Beard.MOUSTACHE:
        half = curve((0, 0.79), (0.3, 0.84), (0.46, 0.97), (0.2, 0.93), (0, 0.91))
        return (Shape(mirrored(half), "beard"),)
    return ()
