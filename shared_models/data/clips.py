"""The frames of one clip, sampled evenly from a video file, a folder of frames or a single image."""

import re
from pathlib import Path

import cv2
import numpy as np

from shared_models.errors import DataError

_IMAGES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def is_still(path: Path) -> bool:
    """Whether `path` names one image, not a folder or a video."""
    return path.suffix.lower() in _IMAGES and not path.is_dir()


def read_frames(path: Path, count: int, start: float | None = None, end: float | None = None) -> list[np.ndarray]:
    """`count` frames (H, W, 3) uint8 BGR, evenly spaced over the clip; of a still, its one frame.

    start, end: seconds, for videos only; None means where the video starts or ends. A clip of fewer than
    `count` frames repeats some of them.

    Raises DataError where the clip cannot be read.
    """
    if path.is_file() and not is_still(path):
        return _read_video(path, count, start, end)
    if start is not None or end is not None:
        raise DataError(f"{path} is not a video, so it cannot have a start or end", fix="Leave both empty")
    if is_still(path):
        return [_read_image(path)]
    files = frame_files(path)
    return [_read_image(files[i]) for i in _evenly(count, 0, len(files))]


def frame_files(folder: Path) -> list[Path]:
    """The images in `folder` in the order of their numbers. Raises DataError where it holds none."""
    files = sorted((file for file in folder.iterdir() if _is_frame(file)), key=_natural_order)
    if not files:
        raise DataError(f"The folder {folder} holds no images", fix=f"Fill it with {', '.join(sorted(_IMAGES))} files")
    return files


def _is_frame(file: Path) -> bool:
    return is_still(file) and not file.name.startswith(".")


def _natural_order(file: Path) -> list[tuple[int, str]]:
    """Sorts frame2.png before frame10.png."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.name)]


def _evenly(count: int, first: int, stop: int) -> list[int]:
    """`count` positions from first to stop - 1, both included."""
    return [round(position) for position in np.linspace(first, stop - 1, count)]


def _read_image(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path} cannot be read as an image", fix="Check the file, or leave it out")
    return image


def _read_video(path: Path, count: int, start: float | None, end: float | None) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        rate, total = video.get(cv2.CAP_PROP_FPS), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        if rate <= 0 or total <= 0:
            raise DataError(f"{path} cannot be read as a video", fix="Check the file, or re-encode it as MP4")
        first = round(rate * start) if start is not None else 0
        stop = min(round(rate * end), total) if end is not None else total
        if first >= stop:
            raise DataError(
                f"{path} has no frame between the given start and end",
                why=f"it is {total / rate:.2f} s long",
                fix="Correct start and end, which are in seconds",
            )
        video.set(cv2.CAP_PROP_POS_FRAMES, first)
        frames = _decode(video, _evenly(count, first, stop))
    finally:
        video.release()
    if len(frames) < count / 2:
        raise DataError(f"{path} breaks off early", why="fewer than half of its frames can be decoded")
    # Containers often promise a frame or two more than they hold.
    return frames + frames[-1:] * (count - len(frames))


def _decode(video: cv2.VideoCapture, positions: list[int]) -> list[np.ndarray]:
    """The frames at `positions`, in ascending order; fewer where the video ends before."""
    frames: dict[int, np.ndarray] = {}
    wanted = set(positions)
    for position in range(positions[0], positions[-1] + 1):
        if not video.grab():
            break
        if position in wanted:
            readable, frame = video.retrieve()
            if readable:
                frames[position] = frame
    return [frames[position] for position in positions if position in frames]
