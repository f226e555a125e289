"""Recordings in a camera's place: a video file, or a folder of images."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fl_client.capture.frame_source import FrameSource, Pace
from shared_models.errors import CameraError

_IMAGES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
_MISSED_AT_THE_END = 30  # frames in a row
_LEAST_SHARE = 0.95  # of the frames that a video's header promises; some containers only estimate them


class VideoSource(FrameSource):
    """A video file, on its own timeline and as fast as it can be read."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._video: cv2.VideoCapture | None = None
        self._open().release()

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        self.close()
        self._video = video = self._open()
        promised, pace = video.get(cv2.CAP_PROP_FRAME_COUNT), Pace(self._fps)
        last, found, missed = -math.inf, 0, 0
        while missed < _MISSED_AT_THE_END:  # a damaged frame is missed too, and others follow it
            if not video.grab():
                missed += 1
                continue
            found, missed = found + 1, 0
            seconds = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if seconds > last and pace.wants(seconds):
                readable, frame = video.retrieve()
                if readable:
                    last = seconds
                    yield seconds, frame
        self.close()
        if last < 0:
            raise _unreadable_video(self._path)
        if found < _LEAST_SHARE * promised - 1:
            raise CameraError(
                f"The video {self._path} is damaged",
                why=f"only {found} of its {promised:.0f} frames can be read",
                fix="Copy or record it again; what was stored is kept",
            )

    def close(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None

    def _open(self) -> cv2.VideoCapture:
        video = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)  # OpenCV's other readers are not silent
        if not video.isOpened() or video.get(cv2.CAP_PROP_FPS) <= 0:
            video.release()
            raise _unreadable_video(self._path)
        return video


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


def _by_number(file: Path) -> list[tuple[int, str]]:
    """Sorts f2.png before f10.png."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.name)]


def _unreadable_video(path: Path) -> CameraError:
    return CameraError(
        f"The video {path} cannot be read",
        why="it is damaged, empty or of a kind that OpenCV does not know",
        fix="Check that it plays, or convert it to MP4 (H.264) or AVI (MJPG)",
    )
