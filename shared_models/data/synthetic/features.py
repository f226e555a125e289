"""The parts of the face that facial actions move: brows, eyes and mouth.

Coordinates as in `shapes`. Actions are (2, len(Action)): the left, then the right half of the picture.
"""

import numpy as np

from shared_models.data.synthetic.expression import Action
from shared_models.data.synthetic.identity import Identity
from shared_models.data.synthetic.shapes import Shape, ellipse, stroke

SIDES = ((-1, 0), (1, 1))  # sign of x, row of the actions

_ALONG = np.linspace(0, 1, 7)
_ACROSS = np.linspace(-1, 1, 13)
_BOW = 1 - _ACROSS**2


def brows(identity: Identity, actions: np.ndarray) -> list[Shape]:
    """Two strips that taper from their inner ends outwards."""
    shapes = []
    inner = 1 - _ALONG
    for side, row in SIDES:
        act = actions[row]
        x = identity.eye_spacing * (0.17 + 0.64 * _ALONG) - 0.06 * act[Action.BROW_LOWER] * inner
        y = -0.36 * identity.brow_height - 0.07 * np.sin(np.pi * 0.75 * _ALONG)
        y -= 0.2 * act[Action.INNER_BROW_RAISE] * inner**1.3 + 0.17 * act[Action.OUTER_BROW_RAISE] * _ALONG
        y += 0.17 * act[Action.BROW_LOWER] * (0.25 + 0.75 * inner) + 0.06 * act[Action.NOSE_WRINKLE] * inner
        half = 0.05 * identity.brow_thickness * (1 - 0.65 * _ALONG)
        shapes.append(Shape(_between(side * x, y - half, y + half), "brow"))
    return shapes


def eyes(identity: Identity, actions: np.ndarray) -> list[Shape]:
    """For each eye the white, iris, pupil and glint between the lids, then lash line and lid crease."""
    return [shape for side, row in SIDES for shape in _eye(identity, side, actions[row])]


def _eye(identity: Identity, side: int, act: np.ndarray) -> list[Shape]:
    half, (upper, lower) = 0.25 * identity.eye_size, _lids(identity, act)
    centre = np.array([side * 0.5 * identity.eye_spacing, 0.0])
    tilt = np.array([[1.0, -side * identity.eye_tilt / half], [0.0, 1.0]])
    lid = np.stack([half * _ACROSS, -upper * _BOW], axis=1)
    white = _between(half * _ACROSS, -upper * _BOW, lower * _BOW)
    parts = [Shape(white, "eye_white")]
    for radius, paint in ((0.115, "iris"), (0.055, "pupil")):
        disc = ellipse(0.0, -0.01, radius, radius)
        gap = 1 - (disc[:, 0] / half) ** 2
        disc[:, 1] = np.clip(disc[:, 1], -upper * gap, lower * gap)
        parts.append(Shape(disc, paint))
    if upper > 0.06:
        parts.append(Shape(ellipse(0.03, -0.045, 0.022, 0.022), "glint"))
    parts.append(Shape(stroke(lid, 0.045), "lash"))
    parts.append(Shape(stroke(lid[2:-2] - (0, 0.08), 0.02), "skin_shadow"))
    return [Shape(points @ tilt + centre, paint) for points, paint in parts]


def _lids(identity: Identity, act: np.ndarray) -> tuple[float, float]:
    """How far the upper and the lower lid stand from the line between the corners of the eye."""
    narrowing = 0.3 * act[Action.LID_TIGHTEN] + 0.12 * act[Action.BROW_LOWER] + 0.25 * act[Action.NOSE_WRINKLE]
    bulge = 0.05 * act[Action.LID_TIGHTEN] + 0.055 * act[Action.CHEEK_RAISE]
    opening = identity.eye_size * max(0.04, 1 - act[Action.EYE_CLOSE])
    upper = 0.12 * (1 - narrowing) + 0.08 * act[Action.LID_RAISE]
    return opening * upper, opening * max(0.02, 0.085 - bulge)


def mouth(identity: Identity, actions: np.ndarray) -> list[Shape]:
    """Lips, and where they part the dark opening with teeth; else the line between them."""
    act = actions.mean(axis=0)
    corners = np.array([mouth_corner(identity, side, actions[row]) for side, row in SIDES])
    weight = (_ACROSS + 1) / 2
    x = (1 - weight) * corners[0, 0] + weight * corners[1, 0]
    ends = (1 - weight) * corners[0, 1] + weight * corners[1, 1]
    middle = 1.03 - 0.06 * act[Action.CHIN_RAISE] + 0.02 * act[Action.LIP_CORNER_PULL]
    rise = 0.1 * act[Action.UPPER_LIP_RAISE] + 0.03 * act[Action.LIPS_PART]
    drop = 0.1 * act[Action.LIPS_PART] + 0.4 * act[Action.JAW_DROP] + 0.02 * act[Action.UPPER_LIP_RAISE]
    upper = ends + (middle - ends - rise) * _BOW
    lower = ends + (middle - ends + drop) * _BOW**0.7
    full = identity.lip_fullness * (1 - 0.75 * min(1.0, act[Action.LIP_PRESS]))
    cupid = 1 - 0.25 * np.exp(-((_ACROSS / 0.12) ** 2))
    over = upper - 0.1 * full * cupid * _BOW**0.8
    under = lower + 0.13 * full * _BOW**0.8

    shapes = [Shape(_between(x, over, under), "lip")]
    if rise + drop > 0.05:
        shapes.append(Shape(_between(x, upper, lower), "mouth"))
        bared = 0.05 + 0.09 * min(1.0, act[Action.LIP_CORNER_PULL] + act[Action.UPPER_LIP_RAISE])
        teeth = np.minimum(upper + bared * _BOW, lower)
        shapes.append(Shape(_between(x, upper, teeth)[1:-1], "teeth"))
    else:
        line = stroke(np.stack([x, lower], axis=1), 0.03 + 0.015 * act[Action.LIP_PRESS])
        shapes.append(Shape(line, "mouth"))
    return shapes


def mouth_corner(identity: Identity, side: int, act: np.ndarray) -> tuple[float, float]:
    """x, y of the corner of the mouth on one side, under that side's actions `act`."""
    out = 1 + 0.24 * act[Action.LIP_CORNER_PULL] + 0.22 * act[Action.LIP_STRETCH] - 0.12 * act[Action.JAW_DROP]
    y = 1.03 - 0.16 * act[Action.LIP_CORNER_PULL] + 0.15 * act[Action.LIP_CORNER_DEPRESS] + 0.12 * act[Action.JAW_DROP]
    return side * 0.42 * identity.mouth_width * float(out), float(y)


def _between(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.vstack([np.stack([x, upper], axis=1), np.stack([x, lower], axis=1)[::-1]])
