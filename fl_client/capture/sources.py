"""Where frames come from: a webcam, or a video file or folder of images in its place."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import cv2
import numpy as np

from shared_models.errors import CameraError

_IMAGES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}

# OpenCV and FFmpeg write their own lines to stderr; the user gets one CameraError instead.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class FrameSource(Protocol):
    """Frames with their times, in order: iterate once, then close, or use it in a `with` block."""

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yields the time in seconds from the start, and the frame (H, W, 3) uint8 BGR.

        Raises CameraError where the source stops or a frame cannot be read.
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


def open_source(spec: str, fps: float) -> FrameSource:
    """The source that `spec` names: a camera by its number, a video file or a folder of images.

    fps: frames a second to look at; a folder of images is taken to be recorded at that rate.

    Raises CameraError where it is missing or cannot be read.
    """
    if spec.isdecimal():
        return CameraSource(int(spec), fps)
    path = Path(spec)
    if path.is_dir():
        return FolderSource(path, fps)
    if path.is_file():
        return VideoSource(path, fps)
    raise CameraError(
        f"There is no video file or folder of images '{spec}'",
        fix="Correct its path, or give the number of a camera, such as 0",
    )


class CameraSource(FrameSource):
    """A webcam, on the real clock."""

    def __init__(self, index: int, fps: float) -> None:
        self._index, self._pace = index, _Pace(fps)
        self._video = cv2.VideoCapture(index)
        if not self._video.isOpened():
            self._video.release()
            raise CameraError(
                f"Camera {index} cannot be opened",
                why="it is not there, another program uses it, or camera access is not allowed",
                fix="Plug it in, close other programs that use it and allow access, or name another camera",
            )

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        started = time.monotonic()
        # Every frame is taken from the driver, or it would go on handing out old ones.
        while self._video.grab():
            seconds = time.monotonic() - started
            if self._pace.wants(seconds):
                readable, frame = self._video.retrieve()
                if not readable:
                    break
                yield seconds, frame
        raise CameraError(
            f"Camera {self._index} stopped",
            why="it was unplugged or another program took it",
            fix="Plug it in again and restart; what was stored is kept",
        )

    def close(self) -> None:
        self._video.release()


class VideoSource(FrameSource):
    """A video file, on its own timeline and as fast as it can be read."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._pace = path, _Pace(fps)
        self._video = cv2.VideoCapture(str(path))
        if not self._video.isOpened() or self._video.get(cv2.CAP_PROP_FPS) <= 0:
            self._video.release()
            raise _unreadable_video(path)

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        frames = 0
        while self._video.grab():
            seconds = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            frames += 1
            if self._pace.wants(seconds):
                readable, frame = self._video.retrieve()
                if not readable:
                    raise _unreadable_video(self._path)
                yield seconds, frame
        if frames == 0:
            raise _unreadable_video(self._path)

    def close(self) -> None:
        self._video.release()


class FolderSource(FrameSource):
    """A folder of images such as f0001.png, in the order of the numbers in their names."""

    def __init__(self, path: Path, fps: float) -> None:
        images = (file for file in path.iterdir() if file.suffix.lower() in _IMAGES)
        self._files, self._fps = sorted(images, key=_by_number), fps
        if not self._files:
            raise CameraError(
                f"The folder {path} holds no images", fix="Fill it with files such as f0001.png, f0002.png"
            )

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        for position, file in enumerate(self._files):
            frame = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if frame is None:
                raise CameraError(f"{file} cannot be read as an image", why="it is damaged", fix="Replace or remove it")
            yield position / self._fps, frame

    def close(self) -> None:
        """There is nothing to let go of."""


class _Pace:
    """Picks frames from a faster source so that on average `fps` of them are left."""

    def __init__(self, fps: float) -> None:
        self._interval, self._next = 1 / fps, 0.0

    def wants(self, seconds: float) -> bool:
        # Half a millisecond: containers round their times to whole ones.
        if seconds < self._next - 0.0005:
            return False
        self._next = max(self._next + self._interval, seconds)
        return True


def _by_number(file: Path) -> list[tuple[int, str]]:
    """Sorts f2.png before f10.png."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.name)]


def _unreadable_video(path: Path) -> CameraError:
    return CameraError(
        f"The video {path} cannot be read",
        why="it is damaged, empty or of a kind that OpenCV does not know",
        fix="Check that it plays, or convert it to MP4 (H.264) or AVI (MJPG)",
    )
