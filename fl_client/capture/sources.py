"""Where frames come from: a webcam, or a video file, a folder of images or a rendered person in its place."""

from pathlib import Path

from fl_client.capture.camera import CameraSource
from fl_client.capture.frame_source import FrameSource
from fl_client.capture.recordings import FolderSource, VideoSource
from fl_client.capture.synthetic import SyntheticSource
from shared_models.errors import CameraError

__all__ = ["CameraSource", "FolderSource", "FrameSource", "SyntheticSource", "VideoSource", "open_source"]


def open_source(spec: str, fps: float) -> FrameSource:
    """The source that `spec` names: a camera by its number, a video file, a folder of images, or `synthetic`, which is
    a rendered person, the third one as `synthetic:3`.

    fps: frames a second to look at; a folder of images is taken to be recorded at that rate.

    Raises CameraError where a recording is missing or cannot be read; a camera is opened when it is iterated.
    """
    path, (kind, _, number) = Path(spec), spec.partition(":")
    if spec.isdecimal():
        return CameraSource(int(spec), fps)
    if kind == "synthetic" and (number.isdecimal() or spec == kind):
        return SyntheticSource(int(number or 0), fps)
    if path.is_dir():
        return FolderSource(path, fps)
    if path.is_file():
        return VideoSource(path, fps)
    raise CameraError(
        f"There is no video file or folder of images '{spec}'",
        fix="Correct its path, or give the number of a camera, such as 0",
    )
