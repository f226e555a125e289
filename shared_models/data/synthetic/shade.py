"""The shade of a face: one small picture of gains that turns flat paint into a lit head."""

from functools import lru_cache

import cv2
import numpy as np

from shared_models.data.synthetic.identity import Identity
from shared_models.data.synthetic.scene import Scene
from shared_models.data.synthetic.skin import soft_features
from shared_models.data.synthetic.view import HEAD_MIDDLE, HEAD_RADII, View

NEUTRAL = 128  # the shade that changes nothing

_SIZE = 96
_SOFTNESS = 0.045  # blur of the skin's shadows, eye distances
_GLOBE_SIZE, _GLOBE_REACH = 64, 2.2


def shade_of_face(
    identity: Identity,
    actions: np.ndarray,
    head: list[np.ndarray],
    view: View,
    scene: Scene,
    size: tuple[int, int],
) -> np.ndarray:
    """(height, width) uint8 gains, `NEUTRAL` for 1: the light on the head times the shadows of the skin.

    `head` holds the outlines on which shade falls; the wall behind them keeps its brightness.
    """
    small = view.resized(_SIZE / size[1], _SIZE / size[0])
    soft = np.full((_SIZE, _SIZE), NEUTRAL, np.uint8)
    parts = soft_features(identity, actions)
    small.fill(soft, [part.points for part in parts], [NEUTRAL * part.gain for part in parts])
    soft = cv2.GaussianBlur(soft, (0, 0), max(0.6, _SOFTNESS * small.pixels))
    inside = np.zeros((_SIZE, _SIZE), np.uint8)
    small.fill(inside, head, [255.0] * len(head))
    shade = cv2.multiply(soft, _light(scene, small), scale=1 / NEUTRAL).astype(np.float32)
    shade = NEUTRAL + (shade - NEUTRAL) * (inside.astype(np.float32) / 255)
    return cv2.resize(shade.astype(np.uint8), size[::-1])


def _light(scene: Scene, small: View) -> np.ndarray:
    """(96, 96) uint8 gains: the globe of light, laid over the head."""
    corner = HEAD_MIDDLE - _GLOBE_REACH
    plane = small.turn[:, :2]
    warp = np.column_stack([plane * (2 * _GLOBE_REACH / _GLOBE_SIZE), plane @ corner + small.origin])
    globe = _globe(scene.light, scene.ambient)
    return cv2.warpAffine(globe, warp, (_SIZE, _SIZE), borderValue=NEUTRAL)


@lru_cache(maxsize=8)
def _globe(light: tuple[float, float, float], ambient: float) -> np.ndarray:
    """(64, 64) uint8 gains: Lambert's law on the head's ellipsoid; fades to no change beyond its rim."""
    y, x = np.mgrid[0:_GLOBE_SIZE, 0:_GLOBE_SIZE] * (2 * _GLOBE_REACH / _GLOBE_SIZE) - _GLOBE_REACH
    x, y = x / HEAD_RADII[0], y / HEAD_RADII[1]
    radius = np.hypot(x, y)
    rim = np.maximum(radius, 1.0)
    normal = np.stack([x / rim, y / rim, np.sqrt(np.maximum(0, 1 - radius**2))])
    lambert = np.maximum(0, np.tensordot(np.array(light), normal, 1))
    gain = ambient + (1.15 - ambient) * lambert
    beyond = np.clip((radius - 1) / 0.2, 0, 1)
    return np.clip(NEUTRAL * (gain * (1 - beyond) + beyond), 0, 255).astype(np.uint8)
