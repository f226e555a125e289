"""A known face followed from frame to frame, for much less than what finding it costs.

A face is followed only where the rest of the frame is as it was when the frame was searched, or moved with the head:
whoever comes into the picture changes it. Measured on rendered laptops in good and in dim light, with 2,560 faces of
other people, 32 to 112 of 480 pixels high, pasted beside a face that moves: each of the 1,846 that YuNet finds changes
some patch by at least .103 of the picture's mean brightness. The head's own movement within .4 s, hair and shoulders
with it, changes none by more than .091 in 19 of 20 frames.
"""

import cv2
import numpy as np

from shared_models.data.faces import Face, moved

_TINY = (80, 60)
_PATCH = 4  # pixels of the tiny picture: 32 of a frame that is 640 wide
_LARGEST_CHANGE = 0.07  # on average over a patch, of the picture's mean brightness
_LARGEST_CHANGE_IN_GRAY = 8.0  # however bright the picture is
_CORNERS = 24
_LEAST_CORNERS = 8
_LEAST_SHARE = 0.7  # of corners that must be found again and move as one
_RETURN_PIXELS = 1.0  # how near a corner that is followed there and back comes to where it was (Kalal et al., 2010)
_LARGEST_SCALE = 1.1
_FLOW_WINDOW = (15, 15)
_FLOW_LEVELS = 2


class KnownFace:
    """The one face that a search of a whole frame found; `gray` (h, w) uint8 is that frame shrunk by `scale`."""

    def __init__(self, gray: np.ndarray, scale: float, face: Face) -> None:
        self._gray, self._scale, self._face = gray, scale, face
        self._tiny = _tiny(gray)
        self._largest_change = min(_LARGEST_CHANGE * float(self._tiny.mean()), _LARGEST_CHANGE_IN_GRAY)
        x, y, width, height = (value / scale for value in face.box)
        inside = np.zeros_like(gray)
        inside[max(0, int(y)) : max(0, int(y + height)), max(0, int(x)) : max(0, int(x + width))] = 255
        self._around = cv2.resize(inside, _TINY, interpolation=cv2.INTER_AREA) == 0
        self._corners = cv2.goodFeaturesToTrack(gray, _CORNERS, 0.01, 4, mask=inside)

    def follow(self, gray: np.ndarray) -> Face | None:
        """Where the face is in a later frame, shrunk alike; None where only a search can tell."""
        motion = self._motion(gray) if gray.shape == self._gray.shape else None
        if motion is None or not self._nobody_came(gray, motion):
            return None
        return moved(self._face, _scaled(motion, self._scale))

    def _nobody_came(self, gray: np.ndarray, motion: np.ndarray) -> bool:
        """Whether all outside the face's box is as it was, or went the way of the head as hair and shoulders do."""
        now = _tiny(gray)
        with_head = cv2.warpAffine(
            self._tiny, _scaled(motion, _TINY[0] / gray.shape[1]), _TINY, borderMode=cv2.BORDER_REPLICATE
        )
        change = cv2.min(cv2.absdiff(now, self._tiny), cv2.absdiff(now, with_head)).astype(np.float32) * self._around
        return float(cv2.blur(change, (_PATCH, _PATCH)).max()) <= self._largest_change

    def _motion(self, gray: np.ndarray) -> np.ndarray | None:
        """(2, 3): the shift, turn and scale that takes the face to where it is now; None where the corners disagree."""
        if self._corners is None or len(self._corners) < _LEAST_CORNERS:
            return None
        there, found = _flow(self._gray, gray, self._corners)
        back, found_back = _flow(gray, self._gray, there)
        good = found & found_back & (np.linalg.norm(back - self._corners, axis=2).ravel() < _RETURN_PIXELS)
        least = max(_LEAST_CORNERS, _LEAST_SHARE * len(good))
        if good.sum() < least:
            return None
        motion, agree = cv2.estimateAffinePartial2D(self._corners[good], there[good], ransacReprojThreshold=1.5)
        if motion is None or agree.sum() < least:
            return None
        scale = float(np.hypot(motion[0, 0], motion[1, 0]))
        return motion if 1 / _LARGEST_SCALE < scale < _LARGEST_SCALE else None


def _tiny(gray: np.ndarray) -> np.ndarray:
    return cv2.resize(gray, _TINY, interpolation=cv2.INTER_AREA)


def _flow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where `points` (N, 1, 2) of `before` are in `after`, and which of them were found, (N,) bool."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, np.empty(0, np.float32), winSize=_FLOW_WINDOW, maxLevel=_FLOW_LEVELS
    )
    return there, found.ravel() == 1


def _scaled(motion: np.ndarray, scale: float) -> np.ndarray:
    """`motion` (2, 3) in a picture `scale` times as large."""
    return np.column_stack([motion[:, :2], motion[:, 2] * scale])
