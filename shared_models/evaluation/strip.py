"""An explanation as a picture: the frames in order, lit where the model looked, each with its share of attention."""

import cv2
import numpy as np

from shared_models.errors import DataError
from shared_models.evaluation.explanation import Explanation

_SIDE, _GAP, _LEGEND = 96, 8, 26
_ACROSS = 8
_PAPER, _INK, _TRACK, _BAR = 255, 40, 225, (140, 93, 31)
_TINT = np.array([0, 159, 230], np.float32)
"""Orange of the palette of Okabe and Ito, which no common colour blindness confuses with gray; BGR."""
_FADED, _TINTED = 0.65, 0.5
_EDGE = 1 / 3
"""Of the largest heat in any frame: what is above it has a line around it."""
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.38


def strip(frames: np.ndarray, explanation: Explanation) -> bytes:
    """A PNG of frames (T, 1, H, W) uint8, in rows of eight.

    Where heat is low the frame is faded towards white; where it is high it keeps its contrast, takes a tint and has a
    double line around it. So the heat can be read without colours as well. Below each frame are its number, its share
    of attention in percent, and a bar that is full for the largest share. Without heat, frames stay as they are.
    """
    count, rows = len(frames), -(-len(frames) // _ACROSS)
    tall, wide = _SIDE + _LEGEND + _GAP, _SIDE + _GAP
    sheet = np.full((rows * tall + _GAP, min(count, _ACROSS) * wide + _GAP, 3), _PAPER, np.uint8)
    for number, frame in enumerate(frames[:, 0]):
        top, left = _GAP + number // _ACROSS * tall, _GAP + number % _ACROSS * wide
        heat = None if explanation.heat is None else explanation.heat[number]
        sheet[top : top + _SIDE, left : left + _SIDE] = _lit(frame, heat)
        share = float(explanation.weights[number])
        _write_below(sheet, top + _SIDE, left, number + 1, share, share / float(explanation.weights.max()))
    made, png = cv2.imencode(".png", sheet)
    if not made:
        raise DataError("A picture of an explanation could not be made", why=f"its shape is {sheet.shape}")
    return png.tobytes()


def _lit(frame: np.ndarray, heat: np.ndarray | None) -> np.ndarray:
    """(H, W) uint8 and (H, W) in [0, 1], or None -> (96, 96, 3) uint8."""
    gray = cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    picture = np.repeat(gray[..., None], 3, axis=2).astype(np.float32)
    if heat is None:
        return picture.astype(np.uint8)
    large = cv2.resize(heat.astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    warm = np.sqrt(large)[..., None]  # so that the weaker frames can be seen beside the strongest
    tinted = picture * (1 - _TINTED) + _TINT * (picture / 255) ** 0.5 * _TINTED
    faded = picture * (1 - _FADED) + _PAPER * _FADED
    lit: np.ndarray = np.clip(warm * tinted + (1 - warm) * faded, 0, 255).astype(np.uint8)
    edges, _ = cv2.findContours((large >= _EDGE).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(lit, edges, -1, (255, 255, 255), 3, cv2.LINE_AA)
    cv2.drawContours(lit, edges, -1, (0, 0, 0), 1, cv2.LINE_AA)
    return lit


def _write_below(sheet: np.ndarray, top: int, left: int, number: int, share: float, length: float) -> None:
    """The frame's number at the left, its share at the right, and a bar of `length` in [0, 1] below both."""
    words = f"{share:.0%}"
    (width, _), _ = cv2.getTextSize(words, _FONT, _SCALE, 1)
    for text, at in ((str(number), left), (words, left + _SIDE - width)):
        cv2.putText(sheet, text, (at, top + 13), _FONT, _SCALE, (_INK,) * 3, 1, cv2.LINE_AA)
    cv2.rectangle(sheet, (left, top + 18), (left + _SIDE - 1, top + 23), (_TRACK,) * 3, cv2.FILLED)
    cv2.rectangle(sheet, (left, top + 18), (left + round((_SIDE - 1) * length), top + 23), _BAR, cv2.FILLED)
