"""What every source of frames has in common."""

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import cv2
import numpy as np

# OpenCV and FFmpeg write their own lines to stderr; the user gets one CameraError instead.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class FrameSource(Protocol):
    """Frames with their times, in order. Each iteration opens the source anew; `close`, or a `with` block, ends it.

    live: whether it runs on the real clock: what is not looked at is gone, and what has failed may come back
    """

    live: bool = False

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yields the time in seconds, always later than the one before, and the frame (H, W, 3) uint8 BGR.

        Frames that cannot be read are left out. Raises CameraError where the source fails.
        """
        ...

    def close(self) -> None:
        """Let go of the camera or file; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Pace:
    """Picks frames from a faster source so that on average `fps` of them are left."""

    def __init__(self, fps: float) -> None:
        self._interval, self._next = 1 / fps, 0.0

    def wants(self, seconds: float) -> bool:
        # Half a millisecond: containers round their times to whole ones.
        if seconds < self._next - 0.0005:
            return False
        self._next = max(self._next + self._interval, seconds)
        return True
