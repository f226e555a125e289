"""A webcam: opened while it is looked at and no longer, and opened anew when it comes back."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fl_client.capture.frame_source import FrameSource, Pace
from shared_models.errors import CameraError

_SIZE = (640, 480)
_BAD_FRAMES = 30  # in a row: a second of a webcam


class CameraSource(FrameSource):
    """Webcam number `index`, opened when it is iterated and not before.

    Its times count from when the source was made, whatever happens to the camera.
    """

    live = True

    def __init__(self, index: int, fps: float) -> None:
        self._index, self._fps, self._started = index, fps, _clock()
        self._video: cv2.VideoCapture | None = None

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        self.close()
        self._video = video = self._open()
        pace, frames, bad = Pace(self._fps), 0, 0
        try:
            # Every frame is taken from the driver, or it would go on handing out old ones.
            while bad < _BAD_FRAMES and video.grab():
                seconds = _clock() - self._started
                if not pace.wants(seconds):
                    continue
                readable, frame = video.retrieve()
                bad = 0 if readable else bad + 1
                if readable:
                    frames += 1
                    yield seconds, frame
        finally:
            video.release()
        raise self._stopped() if frames else self._silent()

    def close(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None

    def _open(self) -> cv2.VideoCapture:
        video = cv2.VideoCapture(self._index)
        if not video.isOpened():
            video.release()
            raise _why_closed(self._index)
        video.set(cv2.CAP_PROP_FRAME_WIDTH, _SIZE[0])
        video.set(cv2.CAP_PROP_FRAME_HEIGHT, _SIZE[1])
        return video

    def _stopped(self) -> CameraError:
        return CameraError(
            f"Camera {self._index} stopped",
            why="it was unplugged or another program took it",
            fix="Plug it in again, or close the other program; what was stored is kept",
        )

    def _silent(self) -> CameraError:
        return CameraError(
            f"Camera {self._index} gives no picture",
            why="another program uses it, or it is switched off",
            fix="Close other programs that use it, switch it on, or name another camera",
        )


def _clock() -> float:
    """Seconds that go on while the computer sleeps, where the system counts them: no window spans a sleep."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _why_closed(index: int) -> CameraError:
    what, device = f"Camera {index} cannot be opened", Path(f"/dev/video{index}")
    if sys.platform == "linux" and not device.exists():
        return CameraError(what, why="it is not there", fix="Plug it in, or name another camera")
    if sys.platform == "linux" and not os.access(device, os.R_OK | os.W_OK):
        return CameraError(
            what,
            why=f"this account may not use {device}",
            fix="Add the account to the group 'video' and log in again",
        )
    return CameraError(
        what,
        why="another program uses it, it is not there, or camera access is not allowed",
        fix="Close other programs that use it, plug it in and allow access, or name another camera",
    )
