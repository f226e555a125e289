"""The last seconds of a face, in memory only: what a label may turn into a sequence."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile

import numpy as np

from shared_models.data.sequences import SEQUENCE_FRAMES

WINDOW_SECONDS = 2.0
"""The time that one stored sequence spans."""
REACH_SECONDS = 10.0
"""An answer is about so long before its question was shown."""
_KEPT_SECONDS = REACH_SECONDS + WINDOW_SECONDS
_MOST_REFUSED = 0.25  # of the frames in a window
_LARGEST_GAP = 2  # steps between a wanted time and the nearest frame
_ROUNDING = 1e-6  # seconds: times such as 4.1 - 2.0 carry rounding errors


class Refusal(StrEnum):
    """Why a frame, a window of frames or a label is not used."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    SMALL_FACE = "small_face"
    TURNED = "turned"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    UNCOVERED = "uncovered"
    OVERLAP = "overlap"
    FULL = "full"


@dataclass(frozen=True)
class Look:
    """One frame as it was seen.

    seconds:  its time on the camera's timeline
    seen:     the aligned gray crop (H, W) uint8 of the one face, or why there is none
    searched: whether the whole frame was searched for faces, rather than found unchanged around a known one
    """

    seconds: float
    seen: np.ndarray | Refusal
    searched: bool = True

    def erase(self) -> None:
        if isinstance(self.seen, np.ndarray):
            self.seen.fill(0)


@dataclass(frozen=True)
class Window:
    """T evenly spaced frames (T, 1, H, W) uint8 of one face, the last of them at `end` seconds."""

    end: float
    frames: np.ndarray


class WindowBuffer:
    """The looks of the last ten seconds and of one window before; each is given out at most once.

    A look that was not searched counts once a later look was, and that one found no second face: where it finds one,
    every look back to the search before is taken to show it too. What is forgotten is overwritten.
    """

    def __init__(self, frames: int = SEQUENCE_FRAMES) -> None:
        self._step = WINDOW_SECONDS / frames
        self._offsets = self._step * np.arange(1 - frames, 1)
        self._looks: list[Look] = []
        self._last_end = self._blank_until = -np.inf

    def add(self, look: Look, asked: Iterable[float] = ()) -> None:
        """Take a look later than those before; a second look at the last frame replaces the first.

        asked: when questions were shown whose answers may still come; all since what they are about is kept
        """
        if self._looks and self._looks[-1].seconds == look.seconds:
            self._looks.pop().erase()
        # Labels fall due between two frames: a window may still end anywhere after the previous one.
        now = self._looks[-1].seconds if self._looks else look.seconds
        self._forget_until(min([now, *asked]) - _KEPT_SECONDS)
        if look.seen is Refusal.SEVERAL_FACES:
            self._doubt_since_last_search()
        self._looks.append(look)

    def clear(self) -> None:
        """Forget every look."""
        self._forget_until(np.inf)

    def cut(self, asked: float, reach: float = 0.0) -> Window | Refusal:
        """The latest clear window that ends at `asked` or up to `reach` seconds before; else why none ends at `asked`.

        A window is clear where no look shows a second face, three of four show one that can be used, and no time in it
        went unwatched. Its frames are the nearest to evenly spaced times; what lies before its end is forgotten.
        """
        why = None
        for end in [asked, *(look.seconds for look in reversed(self._looks) if asked - reach <= look.seconds < asked)]:
            window = self._ending_at(end)
            if isinstance(window, Window):
                self._last_end = end
                self._forget_until(end)
                return window
            why = why or window
        return why or Refusal.UNCOVERED

    def _ending_at(self, end: float) -> Window | Refusal:
        if end < self._last_end + WINDOW_SECONDS - _ROUNDING:
            return Refusal.OVERLAP
        looks = [look for look in self._looks if end - WINDOW_SECONDS < look.seconds <= end]
        refused = Counter(look.seen for look in looks if isinstance(look.seen, Refusal))
        if Refusal.SEVERAL_FACES in refused:
            return Refusal.SEVERAL_FACES
        wanted = end + self._offsets
        unsettled = any(look.seconds <= end for look in self._since_last_search())
        forgotten = self._blank_until > end - WINDOW_SECONDS + _ROUNDING  # who knows what the looks there showed
        if unsettled or forgotten or not self._covers(wanted, [look.seconds for look in looks]):
            return Refusal.UNCOVERED
        if refused.total() > _MOST_REFUSED * len(looks):
            return refused.most_common(1)[0][0]
        crops = [(look.seconds, look.seen) for look in looks if not isinstance(look.seen, Refusal)]
        nearest = np.abs(wanted[:, None] - np.array([t for t, _ in crops])).argmin(axis=1)
        return Window(end, np.stack([crops[i][1] for i in nearest])[:, None])

    def _covers(self, wanted: np.ndarray, times: list[float]) -> bool:
        """Whether a frame was looked at near each wanted time."""
        if not times:
            return False
        gaps = np.abs(wanted[:, None] - np.array(times)).min(axis=1)
        return bool(gaps.max() <= _LARGEST_GAP * self._step + _ROUNDING)

    def _since_last_search(self) -> list[Look]:
        return list(takewhile(lambda look: not look.searched, reversed(self._looks)))

    def _doubt_since_last_search(self) -> None:
        for back, look in enumerate(self._since_last_search(), start=1):
            look.erase()
            self._looks[-back] = replace(look, seen=Refusal.SEVERAL_FACES)

    def _forget_until(self, end: float) -> None:
        """Overwrite and drop the looks up to `end`."""
        kept = [look for look in self._looks if look.seconds > end]
        for look in self._looks[: len(self._looks) - len(kept)]:
            look.erase()
            self._blank_until = look.seconds
        self._looks = kept
