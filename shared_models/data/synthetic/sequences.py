"""Rendered training data: aligned crops drawn directly, framed the way the Haar finder frames these faces."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from shared_models.data.labels import LabelScheme, scheme_by_name
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES, Sequences
from shared_models.data.synthetic.domains import STUDIO, Domain
from shared_models.data.synthetic.expression import EXPRESSIONS, perform
from shared_models.data.synthetic.framing import Square, haar_squares
from shared_models.data.synthetic.identity import Identity
from shared_models.data.synthetic.people import Person, person
from shared_models.data.synthetic.render import draw_face
from shared_models.data.synthetic.scene import Pose, Scene, backdrop
from shared_models.data.synthetic.view import View
from shared_models.errors import DataError

_SECONDS = 2.0
_CANVAS = 96
_FRAME_HEIGHT, _FRAME_WIDTH = 480, 640
_GRAY_NOISE = 0.67  # the noise of a weighted sum of three equally noisy channels


def render_sequences(
    count_per_class: int,
    scheme_name: str = "basic-7",
    domain: Domain = STUDIO,
    *,
    seed: int,
    people: Sequence[int],
    frames: int = SEQUENCE_FRAMES,
) -> Sequences:
    """`count_per_class` sequences of two seconds for each expression, performed in turn by `people`.

    Classes follow one another, so that every stretch of the result is balanced. `people` are numbers of the
    population, see `people.person`: sets with different numbers share nobody, whatever their seeds.
    Raises DataError where the renderer knows none of the scheme's classes, or there is nobody to render.
    """
    labels = rendered_labels(scheme_by_name(scheme_name))
    return render_labels(labels * count_per_class, scheme_name, domain, seed=seed, people=people, frames=frames)


def rendered_labels(scheme: LabelScheme) -> list[str]:
    """The classes of `scheme` that the renderer has an expression for; raises DataError where there is none."""
    labels = [label for label in scheme.classes if label in EXPRESSIONS]
    if not labels:
        raise DataError(
            f"The renderer has no expression for the label scheme {scheme.name}", fix="Use the scheme basic-7"
        )
    return labels


def render_labels(
    labels: Sequence[str],
    scheme_name: str = "basic-7",
    domain: Domain = STUDIO,
    *,
    seed: int,
    people: Sequence[int],
    frames: int = SEQUENCE_FRAMES,
) -> Sequences:
    """One sequence for each of `labels`, in their order; the n-th of a class is performed by the n-th of `people`.

    Raises DataError where there is nobody to render.
    """
    scheme = scheme_by_name(scheme_name)
    if not people:
        raise DataError("There is nobody to render", fix="Name at least one person")
    counted = Counter[str]()
    pixels = np.empty((len(labels), frames, 1, CROP_SIZE, CROP_SIZE), np.uint8)
    targets = np.zeros((len(labels), len(scheme.classes)), np.float32)
    actors = []
    for row, label in enumerate(labels):
        index, column = counted[label], scheme.index(label)
        actor = person(people[index % len(people)])
        rng = np.random.default_rng((seed, index, column, actor.number))
        pixels[row, :, 0] = _record(actor, label, domain, frames, rng)
        targets[row, column] = 1.0
        actors.append(actor)
        counted[label] += 1
    digests = tuple(hashlib.sha256(sequence.tobytes()).hexdigest()[:16] for sequence in pixels)
    traits = [actor.identity.traits for actor in actors]
    return Sequences(
        scheme,
        pixels,
        targets,
        tuple(actor.subject for actor in actors),
        digests,
        {name: tuple(own[name] for own in traits) for name in (traits[0] if traits else ())},
    )


def render_crop(
    identity: Identity,
    actions: np.ndarray,
    pose: Pose,
    scene: Scene,
    square: Square,
    rng: np.random.Generator,
) -> np.ndarray:
    """(48, 48) uint8 gray: what `square` cuts from `render_frame` of the same arguments, but quicker."""
    zoom = _CANVAS / (square.side * pose.scale * _FRAME_HEIGHT)  # canvas pixels a frame pixel
    eyes = np.array([pose.x * _FRAME_WIDTH, pose.y * _FRAME_HEIGHT])
    corner = eyes + (np.array([square.x, square.y]) - square.side / 2) * pose.scale * _FRAME_HEIGHT
    canvas = _wall_behind(scene, corner, zoom)
    origin = (eyes - corner) * zoom
    view = View.of(pose, _CANVAS / square.side, (float(origin[0]), float(origin[1])))
    draw_face(canvas, identity, actions, view, scene)
    canvas = cv2.GaussianBlur(canvas, (0, 0), scene.blur * zoom)
    crop = cv2.resize(canvas, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    # Shrinking averages the noise of the frame's pixels away.
    deviation = scene.noise * _GRAY_NOISE * zoom * CROP_SIZE / _CANVAS
    grain = rng.standard_normal(crop.shape, np.float32) * np.float32(deviation)
    return np.clip(np.rint(crop + grain), 0, 255).astype(np.uint8)


def _record(actor: Person, label: str, domain: Domain, frames: int, rng: np.random.Generator) -> np.ndarray:
    """(frames, 48, 48) uint8: one performance in a scene of its own."""
    fps = frames / _SECONDS
    scene = domain.scene(rng)
    poses = domain.poses(frames, fps, rng)
    actions = perform(label, domain.display, actor.manner, frames, fps, rng)
    crops = [
        render_crop(actor.identity, act, pose, scene, square, rng)
        for act, pose, square in zip(actions, poses, haar_squares(poses, rng), strict=True)
    ]
    return np.stack(crops)


def _wall_behind(scene: Scene, corner: np.ndarray, zoom: float) -> np.ndarray:
    wall = _gray_wall(scene)
    step = zoom * _FRAME_HEIGHT / wall.shape[0]
    warp = np.array([[step, 0, -corner[0] * zoom], [0, step, -corner[1] * zoom]])
    return cv2.warpAffine(wall, warp, (_CANVAS, _CANVAS), borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=8)
def _gray_wall(scene: Scene) -> np.ndarray:
    return cv2.convertScaleAbs(cv2.cvtColor(backdrop(scene.backdrop), cv2.COLOR_BGR2GRAY), alpha=scene.level)
