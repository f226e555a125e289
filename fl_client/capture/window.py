"""The last seconds of a face, in memory only: what a label may turn into a sequence."""

from collections import Counter, deque
from enum import StrEnum

import numpy as np

from shared_models.data.sequences import SEQUENCE_FRAMES

_MOST_REFUSED = 0.25  # of the frames in a window
_LARGEST_GAP = 2  # steps between a wanted time and the nearest frame
_ROUNDING = 1e-6  # seconds: times such as 4.1 - 2.0 carry rounding errors


class Refusal(StrEnum):
    """Why a frame, a window of frames or a label is not used."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    SMALL_FACE = "small_face"
    BLURRED = "blurred"
    UNCOVERED = "uncovered"
    OVERLAP = "overlap"
    FULL = "full"


class WindowBuffer:
    """The aligned crops of the last `seconds`, of which each is given out at most once.

    seconds: length of a window
    frames:  T, the number of frames in a sequence
    """

    def __init__(self, seconds: float = 2.0, frames: int = SEQUENCE_FRAMES) -> None:
        self._seconds, self._step = seconds, seconds / frames
        self._offsets = self._step * np.arange(1 - frames, 1)
        self._looks: deque[tuple[float, np.ndarray | Refusal]] = deque()
        self._last_end = -np.inf

    def add(self, seconds: float, look: np.ndarray | Refusal) -> None:
        """Take what was seen at `seconds`, in order of time: a gray crop (H, W) uint8 or a refusal."""
        # Labels fall due between two frames: a window may still end anywhere after the previous frame.
        oldest = self._looks[-1][0] - self._seconds if self._looks else seconds
        while self._looks and self._looks[0][0] <= oldest:
            self._looks.popleft()
        self._looks.append((seconds, look))

    def clear(self) -> None:
        """Forget every frame."""
        self._looks.clear()

    def cut(self, end: float) -> np.ndarray | Refusal:
        """The window (end - seconds, end] as (T, 1, H, W) uint8, T evenly spaced nearest frames; or why not.

        The frames up to `end` are forgotten when they are given out, and so no two sequences share one.
        """
        if end < self._last_end + self._seconds - _ROUNDING:
            return Refusal.OVERLAP
        looks = [(t, look) for t, look in self._looks if end - self._seconds < t <= end]
        refused = Counter(look for _, look in looks if isinstance(look, Refusal))
        if Refusal.SEVERAL_FACES in refused:
            return Refusal.SEVERAL_FACES
        wanted = end + self._offsets
        if not self._covers(wanted, [t for t, _ in looks]):
            return Refusal.UNCOVERED
        if refused.total() > _MOST_REFUSED * len(looks):
            return refused.most_common(1)[0][0]
        crops = [(t, look) for t, look in looks if not isinstance(look, Refusal)]
        nearest = np.abs(wanted[:, None] - np.array([t for t, _ in crops])).argmin(axis=1)
        self._last_end = end
        self._looks = deque((t, look) for t, look in self._looks if t > end)
        return np.stack([crops[i][1] for i in nearest])[:, None]

    def _covers(self, wanted: np.ndarray, times: list[float]) -> bool:
        """Whether a frame was looked at near each wanted time."""
        if not times:
            return False
        gaps = np.abs(wanted[:, None] - np.array(times)).min(axis=1)
        return bool(gaps.max() <= _LARGEST_GAP * self._step + _ROUNDING)
