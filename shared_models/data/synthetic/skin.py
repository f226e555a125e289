"""Lights and shadows of the skin: eye sockets, nose, cheeks, chin, and the creases that actions make."""

from typing import NamedTuple

import numpy as np

from shared_models.data.synthetic.expression import Action
from shared_models.data.synthetic.features import SIDES, mouth_corner
from shared_models.data.synthetic.identity import Beard, Identity
from shared_models.data.synthetic.shapes import JAW_TRAVEL, NOSE_TIP, curve, ellipse, head_outline, stroke


class Soft(NamedTuple):
    """points (N, 2): outline of a light (gain above 1) or a shadow (below 1); coordinates as in `shapes`."""

    points: np.ndarray
    gain: float


def soft_features(identity: Identity, actions: np.ndarray) -> list[Soft]:
    """All of them, in the order in which they cover one another."""
    act = actions.mean(axis=0)
    jaw = JAW_TRAVEL * act[Action.JAW_DROP]
    tip = NOSE_TIP * identity.nose_length
    softs = []
    if identity.beard is Beard.STUBBLE:
        outline = head_outline(identity, act[Action.JAW_DROP], 0.97)
        softs.append(Soft(outline[outline[:, 1] > 0.85], 0.78))
    softs += [
        Soft(ellipse(0, -0.72, 0.6, 0.2), 1.06),
        Soft(ellipse(0, tip + 0.16, 0.24 * identity.nose_width, 0.06), 0.78),
        Soft(ellipse(0, 1.36 + 1.5 * jaw, 0.28, 0.06), 0.82),
        Soft(ellipse(0, 1.56 + jaw, 0.22, 0.1), 1.05 - 0.14 * act[Action.CHIN_RAISE]),
    ]
    for side, row in SIDES:
        softs += _eye_and_cheek(identity, side, actions[row])
        softs += _nose_and_mouth(identity, side, actions[row])
    softs.append(Soft(ellipse(0, 0.3, 0.07, 0.36), 1.12))
    return softs + _wrinkles(act)


def _eye_and_cheek(identity: Identity, side: int, act: np.ndarray) -> list[Soft]:
    eye = side * 0.5 * identity.eye_spacing
    cheek = act[Action.CHEEK_RAISE]
    bag = 0.2 - 0.07 * cheek
    return [
        Soft(ellipse(eye, -0.06, 0.4, 0.26), 0.86),
        Soft(ellipse(side * 0.19, -0.02, 0.1, 0.2), 0.78),
        Soft(ellipse(side * 0.62, 0.52 - 0.07 * cheek, 0.26, 0.18), 1.07 + 0.06 * cheek),
        _crease([(eye - 0.24, bag), (eye, bag + 0.05), (eye + 0.24, bag)], 0.08 + 0.14 * cheek),
    ]


def _nose_and_mouth(identity: Identity, side: int, act: np.ndarray) -> list[Soft]:
    tip, wing = NOSE_TIP * identity.nose_length, 0.24 * identity.nose_width
    x, y = mouth_corner(identity, side, act)
    pull = 0.7 * act[Action.LIP_CORNER_PULL] + act[Action.UPPER_LIP_RAISE] + 0.5 * act[Action.NOSE_WRINKLE]
    fold = [(side * wing, tip - 0.02), (side * (wing + 0.16), tip + 0.16), (x + side * 0.1, y - 0.06)]
    return [
        Soft(ellipse(side * 0.15, 0.4, 0.07, 0.2), 0.86),
        _crease(fold, 0.1 + 0.28 * min(1.0, pull), 0.06),
        Soft(ellipse(x + side * 0.05, y + 0.03, 0.06, 0.07), 0.9 - 0.2 * act[Action.LIP_CORNER_DEPRESS]),
    ]


def _wrinkles(act: np.ndarray) -> list[Soft]:
    """Across the forehead, between the brows, and over the bridge of the nose."""
    raised, lowered, nose = act[Action.INNER_BROW_RAISE], act[Action.BROW_LOWER], act[Action.NOSE_WRINKLE]
    creases = []
    if raised > 0.15:
        creases += [_crease([(-0.5, y), (0, y - 0.03), (0.5, y)], 0.16 * raised) for y in (-0.72, -0.84)]
    if lowered > 0.1:
        creases += [_crease([(x, -0.36), (0.9 * x, -0.14)], 0.4 * min(1.0, lowered)) for x in (-0.08, 0.08)]
    if nose > 0.1:
        creases += [_crease([(-0.15, y + 0.03), (0, y), (0.15, y + 0.03)], 0.32 * nose) for y in (0.08, 0.2)]
    return creases


def _crease(points: list[tuple[float, float]], depth: float, width: float = 0.05) -> Soft:
    return Soft(stroke(curve(*points), width), 1 - depth)
