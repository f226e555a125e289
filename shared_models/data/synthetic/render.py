"""Draw one frame: paint the face's outlines flat, then multiply by the shade of the head."""

from functools import lru_cache

import cv2
import numpy as np

from shared_models.data.synthetic import features, shapes
from shared_models.data.synthetic.expression import Action
from shared_models.data.synthetic.identity import Colour, Identity
from shared_models.data.synthetic.scene import Pose, Scene, backdrop
from shared_models.data.synthetic.shade import NEUTRAL, shade_of_face
from shared_models.data.synthetic.view import View

_REACH = np.array([3.2, 2.0])  # of a person to the side and upwards, eye distances
_NOISE_MARGIN = 64
_BGR_TO_GRAY = np.array([0.114, 0.587, 0.299])


def render_frame(
    identity: Identity,
    actions: np.ndarray,
    pose: Pose,
    scene: Scene,
    rng: np.random.Generator,
    size: tuple[int, int] = (480, 640),
) -> np.ndarray:
    """(height, width, 3) uint8 BGR: what the camera sees. `rng` draws the sensor noise only."""
    height, width = size
    frame = _wall(scene, size).copy()
    pixels = pose.scale * height
    origin = np.array([pose.x * width, pose.y * height])
    left, top = np.maximum(0, (origin - _REACH * pixels).astype(int))
    right = min(width, int(origin[0] + _REACH[0] * pixels))
    patch = np.ascontiguousarray(frame[top:, left:right])
    view = View.of(pose, pixels, (origin[0] - left, origin[1] - top))
    draw_face(patch, identity, actions, view, scene)
    frame[top:, left:right] = patch
    frame = cv2.GaussianBlur(frame, (0, 0), scene.blur)
    y, x = rng.integers(0, _NOISE_MARGIN, 2)
    grain = _grain(scene.noise, size)[y : y + height, x : x + width]
    return cv2.add(frame, grain, dtype=cv2.CV_8U)


def draw_face(canvas: np.ndarray, identity: Identity, actions: np.ndarray, view: View, scene: Scene) -> None:
    """Paint the person onto `canvas`, (H, W) gray or (H, W, 3) BGR uint8, in place.

    `actions` is (2, len(Action)), see `expression.Action`.
    """
    jaw = float(actions[:, Action.JAW_DROP].mean())
    behind, hair = shapes.behind_head(identity), shapes.hair(identity)
    head = shapes.Shape(shapes.head_outline(identity, jaw), "skin")
    parts = [
        *behind,
        head,
        *shapes.beard(identity, jaw),
        *features.mouth(identity, actions),
        *shapes.nose(identity),
        *features.eyes(identity, actions),
        *features.brows(identity, actions),
        *hair,
        *shapes.glasses(identity),
    ]
    paints = _palette(identity, scene.level) if canvas.ndim == 3 else _gray_palette(identity, scene.level)
    view.fill(canvas, [part.points for part in parts], [paints[part.paint] for part in parts])
    shaded = [part.points for part in (*behind, head, *hair) if part.paint != "clothes"]
    shade = shade_of_face(identity, actions, shaded, view, scene, canvas.shape[:2])
    if canvas.ndim == 3:
        shade = cv2.cvtColor(shade, cv2.COLOR_GRAY2BGR)
    cv2.multiply(canvas, shade, canvas, scale=1 / NEUTRAL)


@lru_cache(maxsize=8)
def _gray_palette(identity: Identity, level: float) -> dict[str, float]:
    return {name: float(_BGR_TO_GRAY @ colour) for name, colour in _palette(identity, level).items()}


@lru_cache(maxsize=8)
def _palette(identity: Identity, level: float) -> dict[str, Colour]:
    def of(colour: Colour, gain: float = 1.0) -> Colour:
        b, g, r = (min(255.0, gain * level * value) for value in colour)
        return b, g, r

    def blend(a: Colour, b: Colour, share: float) -> Colour:
        return of((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])))

    skin, dark = identity.skin, (24.0, 22.0, 26.0)
    return {
        "skin": of(skin),
        "skin_shadow": of(skin, 0.7),
        "ear": of(skin, 0.88),
        "nostril": of(skin, 0.35),
        "lip": blend(skin, (70, 60, 150), 0.5),
        "mouth": of((28, 18, 44)),
        "teeth": of((222, 232, 236)),
        "eye_white": of((222, 226, 230)),
        "iris": of(identity.iris),
        "pupil": of((14, 12, 12)),
        "glint": of((245, 245, 245)),
        "lash": blend(dark, identity.hair, 0.2),
        "brow": blend(dark, identity.hair, 0.55),
        "hair": of(identity.hair),
        "beard": blend(identity.hair, skin, 0.2),
        "frame": of((36, 32, 34)),
        "clothes": of(identity.clothes),
    }


@lru_cache(maxsize=4)
def _wall(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    wall = cv2.resize(backdrop(scene.backdrop), size[::-1], interpolation=cv2.INTER_CUBIC)
    wall = cv2.convertScaleAbs(wall, alpha=scene.level)
    wall.setflags(write=False)
    return wall


@lru_cache(maxsize=4)
def _grain(deviation: float, size: tuple[int, int]) -> np.ndarray:
    """Sensor noise for a somewhat larger frame: drawn once, then shifted at random from frame to frame."""
    rng = np.random.default_rng(0)
    shape = (size[0] + _NOISE_MARGIN, size[1] + _NOISE_MARGIN, 3)
    return np.round(rng.normal(0, deviation, shape)).astype(np.int16)
