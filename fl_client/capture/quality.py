"""What a face must be like to be of use: the gates between a found face and a kept crop."""

import math

import cv2
import numpy as np

from fl_client.capture.window import Refusal
from fl_client.settings import QualitySettings
from shared_models.data.faces import Face, crop_square, face_roll

_GLARING = 250  # gray level from which a pixel holds nothing more
_ALL_BUT_BRIGHT_PARTS = 0.95  # of the pixels
_NOSE_OF_FRONTAL_FACE = 0.53  # of the way from the eyes down to the mouth: the median of FERPlus


def refusal_of_face(face: Face, limits: QualitySettings) -> Refusal | None:
    """Why `face` cannot be used, as far as its place in the frame says."""
    _, side, _ = crop_square(face)
    if side < limits.face_pixels:
        return Refusal.SMALL_FACE
    if abs(np.degrees(face_roll(face))) > limits.tilt_degrees:
        return Refusal.TURNED
    if face.landmarks is not None:
        turn, nod = head_turn(face.landmarks)
        if abs(turn) > limits.turn or abs(nod) > limits.nod:
            return Refusal.TURNED
    return None


def refusal_of_crop(crop: np.ndarray, limits: QualitySettings) -> Refusal | None:
    """Why an aligned crop (H, W) uint8 cannot be used: its light, or how sharp it is."""
    if is_dark(crop, limits):
        return Refusal.TOO_DARK
    if np.mean(crop >= _GLARING) > limits.glare:
        return Refusal.TOO_BRIGHT
    if cv2.Laplacian(crop, cv2.CV_64F).var() < limits.sharpness:
        return Refusal.BLURRED
    return None


def is_dark(gray: np.ndarray, limits: QualitySettings) -> bool:
    """Whether even the bright parts of (H, W) uint8 are dark; the mean would refuse dark skin in good light."""
    return bool(np.mean(gray < limits.light) > _ALL_BUT_BRIGHT_PARTS)


def head_turn(landmarks: np.ndarray) -> tuple[float, float]:
    """How far a head is turned and nods, from its five points (5, 2): 0 and 0 for a face seen from the front.

    The turn is how far the nose is to one side of the line from the middle of the eyes to that of the mouth, in
    distances between the eyes. The nod is how far down that line it is, less what a face from the front has.
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks.astype(float)
    eyes, mouth, across = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2, right_eye - left_eye
    down = mouth - eyes
    # nose - eyes = share * down + turn * across, by Cramer's rule
    area = _cross(down, across)
    if area == 0:
        return math.inf, math.inf
    share, turn = _cross(nose - eyes, across) / area, _cross(down, nose - eyes) / area
    return turn, share - _NOSE_OF_FRONTAL_FACE


def _cross(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0])
