"""Find faces in camera frames and cut aligned gray crops out of them.

Every crop follows one convention, FER2013's framing: a square in which the eyes lie at .385 of the height,
and the distance between the eyes, like that from the eyes down to the mouth, is .365 of the side. A Haar box
around a real face covers almost that square. The figures are medians over 400 FER2013 faces that both
finders below were run on.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from shared_models.data.sequences import CROP_SIZE
from shared_models.errors import SettingsError

_SEARCH_WIDTH = 320
_SMALLEST_FACE = 0.2  # of the searched frame's height; a learner sits closer to the camera than that
_YUNET_SCORE = 0.7
_EYES_FROM, _EYES_TO = 0.15, 0.6  # of a face's height
_EYE_SEARCH_WIDTH = 80  # of a face; at 64 every fourth pair of eyes is missed, at 120 the search takes thrice as long
_EYE_SIZES = (12, 12), (36, 36)
_SIDE_PER_HAAR_BOX = 1.04
_SIDE_PER_EYE_DISTANCE = 1 / 0.365
_CENTRE_BELOW_EYES = 0.5 - 0.385  # of the side


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the frame it was found in.

    box:       x, y, width, height
    landmarks: (5, 2) float32 or None: the eye on the left of the picture, the eye on the right, the nose
               tip, the left and the right corner of the mouth
    eyes:      (2, 2) float32 or None: the two eyes, where no other landmark is known
    """

    box: tuple[int, int, int, int]
    landmarks: np.ndarray | None = field(default=None, compare=False)
    eyes: np.ndarray | None = field(default=None, compare=False)


class Refusal(StrEnum):
    """Why a frame gives no crop."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"


class FaceFinder(Protocol):
    def find(self, frame: np.ndarray) -> list[Face]:
        """All faces in `frame`, (H, W, 3) BGR or (H, W) gray uint8."""


class HaarFinder:
    """OpenCV's Haar cascades (Viola and Jones, 2001) of frontal faces and of eyes: they ship with OpenCV 4."""

    def __init__(self) -> None:
        self._faces, self._eyes = _cascade("frontalface_alt2"), _cascade("eye")

    def find(self, frame: np.ndarray) -> list[Face]:
        """All faces in `frame`, (H, W, 3) BGR or (H, W) gray uint8; of a face alone also the eyes, where both show."""
        small, scale = shrink(frame)
        gray = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        smallest = round(_SMALLEST_FACE * gray.shape[0])
        boxes = [np.asarray(box) for box in self._faces.detectMultiScale(gray, 1.1, 4, minSize=(smallest, smallest))]
        eyes = self._find_eyes(gray, boxes[0]) if len(boxes) == 1 else None
        return [Face(_box(box * scale), eyes=None if eyes is None else eyes * np.float32(scale)) for box in boxes]

    def _find_eyes(self, gray: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        """(2, 2) float32: the one eye in the left half and the one in the right half of a face; None for any other."""
        x, y, width, height = (int(value) for value in box)
        top = y + round(_EYES_FROM * height)
        strip = gray[top : y + round(_EYES_TO * height), x : x + width]
        scale = width / _EYE_SEARCH_WIDTH
        size = (round(strip.shape[1] / scale), round(strip.shape[0] / scale))
        strip = cv2.resize(strip, size, interpolation=cv2.INTER_AREA)
        found = self._eyes.detectMultiScale(strip, 1.1, 3, minSize=_EYE_SIZES[0], maxSize=_EYE_SIZES[1])
        centres = [(left + w / 2, upper + h / 2) for left, upper, w, h in found]
        if len(centres) != 2:
            return None
        left, right = sorted(centres)
        if not left[0] < _EYE_SEARCH_WIDTH / 2 < right[0]:
            return None
        return (np.array([left, right]) * scale + (x, top)).astype(np.float32)


class YuNetFinder:
    """The YuNet detector (Wu, Peng and Yu, 2023) with five landmarks, from an ONNX file the user fetched.

    Raises SettingsError where the file is missing or its SHA-256 is not `sha256` (64 hex digits).
    """

    def __init__(self, model_path: Path, sha256: str) -> None:
        model = _checked_bytes(Path(model_path), sha256)
        self._detector = cv2.FaceDetectorYN.create(
            "onnx", np.frombuffer(model, np.uint8), np.empty(0, np.uint8), (_SEARCH_WIDTH, 240), _YUNET_SCORE
        )

    def find(self, frame: np.ndarray) -> list[Face]:
        """All faces in `frame`, (H, W, 3) BGR or (H, W) gray uint8."""
        small, scale = shrink(frame)
        colour = small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
        self._detector.setInputSize((colour.shape[1], colour.shape[0]))
        _, rows = self._detector.detect(colour)
        if rows is None:
            return []
        # A row is the box (4 numbers), five landmarks (10 numbers) and the score.
        return [Face(_box(row[:4] * scale), row[4:14].reshape(5, 2) * np.float32(scale)) for row in rows]


def single_face(finder: FaceFinder, frame: np.ndarray) -> Face | Refusal:
    """The face in `frame` where there is exactly one, else why not."""
    faces = finder.find(frame)
    if len(faces) == 1:
        return faces[0]
    return Refusal.SEVERAL_FACES if faces else Refusal.NO_FACE


def face_roll(face: Face) -> float:
    """How far the line between the eyes is turned clockwise, in radians; 0 where the eyes are not known."""
    eyes = face.eyes if face.landmarks is None else face.landmarks[:2]
    if eyes is None:
        return 0.0
    across, down = (eyes[1] - eyes[0]).astype(float)
    return float(np.arctan2(down, across))


def moved(face: Face, motion: np.ndarray) -> Face:
    """`face` after the shift, turn and scale `motion` (2, 3), in pixels of its frame."""
    turn, shift = motion[:, :2], motion[:, 2]

    def points(before: np.ndarray | None) -> np.ndarray | None:
        return None if before is None else (before @ turn.T + shift).astype(np.float32)

    x, y, width, height = face.box
    size = np.hypot(motion[0, 0], motion[1, 0]) * np.array([width, height])
    corner = turn @ (x + width / 2, y + height / 2) + shift - size / 2
    return Face(_box(np.concatenate([corner, size])), points(face.landmarks), points(face.eyes))


def crop_square(face: Face) -> tuple[np.ndarray, float, float]:
    """The square that `crop_face` cuts: its centre (x, y) and side in pixels, and its roll in radians."""
    roll = face_roll(face)
    if face.landmarks is None:
        x, y, width, height = face.box
        return np.array([x + width / 2, y + height / 2]), _SIDE_PER_HAAR_BOX * (width + height) / 2, roll
    left_eye, right_eye, _, left_mouth, right_mouth = face.landmarks.astype(float)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    # A turned head narrows the one distance and a nod the other, so that their mean is the steadier scale.
    side = _SIDE_PER_EYE_DISTANCE * (np.linalg.norm(right_eye - left_eye) + np.linalg.norm(mouth - eyes)) / 2
    down = np.array([-np.sin(roll), np.cos(roll)])
    return eyes + _CENTRE_BELOW_EYES * side * down, float(side), roll


def crop_face(frame: np.ndarray, face: Face, size: int = CROP_SIZE) -> np.ndarray:
    """The aligned crop, (size, size) gray uint8, of `face` in `frame`, (H, W, 3) BGR or (H, W) gray uint8.

    Level by the eye line where landmarks are known; the frame's edge is repeated where the square leaves it.
    """
    centre, side, roll = crop_square(face)
    # Bilinear warping skips pixels when it shrinks: warp to a multiple of the size, then average blocks.
    dense = size * min(4, max(1, round(side / size)))
    step = side / dense
    axes = step * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    corner = centre - axes @ np.full(2, (dense - 1) / 2) - 0.5
    warp = np.column_stack([axes, corner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(frame, warp, (dense, dense), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)


def shrink(frame: np.ndarray) -> tuple[np.ndarray, float]:
    """`frame` at the width that is searched, and the factor that leads back to its own pixels."""
    height, width = frame.shape[:2]
    scale = width / _SEARCH_WIDTH
    if scale <= 1:
        return frame, 1.0
    size = (_SEARCH_WIDTH, max(1, round(height / scale)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA), scale


def _cascade(name: str) -> cv2.CascadeClassifier:
    path = Path(cv2.__file__).parent / "data" / f"haarcascade_{name}.xml"
    if not path.is_file():
        raise SettingsError(
            "The Haar face cascade is missing from the OpenCV package",
            why="OpenCV 5 no longer ships it",
            fix="Install opencv-python-headless>=4.10,<5, or name a YuNet model in the settings",
        )
    return cv2.CascadeClassifier(str(path))


def _box(values: np.ndarray) -> tuple[int, int, int, int]:
    x, y, width, height = (round(float(value)) for value in values)
    return x, y, width, height


def _checked_bytes(path: Path, sha256: str) -> bytes:
    try:
        model = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The face model {path} cannot be read",
            why=error.strerror or str(error),
            fix="Correct its path in the settings, or remove it to use the Haar cascade",
        ) from error
    found = hashlib.sha256(model).hexdigest()
    if found != sha256.lower():
        raise SettingsError(
            f"The face model {path} is not the expected file",
            why=f"its SHA-256 is {found}, the settings say {sha256}",
            fix="Fetch the model again, or correct the SHA-256 in the settings after checking its origin",
        )
    return model
