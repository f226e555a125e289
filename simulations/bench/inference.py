"""What live reading costs a laptop: CPU milliseconds a frame on one thread, from a 640x480 frame to a reading.

The pipeline is the device's own: its capture loop over rendered webcam frames, its live reader as the one that is told
of each. Frames are rendered before anything is timed. `window_ms` is what reading would cost where every frame ran the
windowed model anew, `eager_window_ms` the same in torch.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, median
from threading import Event
from typing import cast

import cv2
import numpy as np
import torch

from fl_client.capture.sources import FrameSource, open_source
from fl_client.live.reader import LiveReader
from fl_client.live.streams import WindowStreams
from fl_client.live.watch import only_look
from fl_client.settings import CaptureSettings
from shared_models.data.faces import FaceFinder, HaarFinder, YuNetFinder
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, INPUT_SHAPE, SEQUENCE_FRAMES
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import write_webcam
from shared_models.errors import SettingsError
from shared_models.networks.onnx_export import export_onnx
from shared_models.networks.onnx_runtime import OnnxModel
from shared_models.networks.starter import initial_model
from shared_models.resources import use_one_core

_MODEL, _SCHEME = "cnn-lstm", "basic-7"
_PERFORMED = ("happiness", "surprise", "anger", "sadness") * 3
_STEPS, _WINDOWS, _WARM_UP = 400, 40, 16
Progress = Callable[[str, int, int], None]


def bench_inference(progress: Progress, folder: Path, face_model: Path | None = None) -> dict[str, object]:
    """Medians for one step and one window, means over frames for the pipeline, and how far streaming is off.

    The first window's frames are filmed and counted, and not timed.

    folder: where the rendered video goes

    Raises SettingsError where the face model cannot be read, ModelError where streaming is off by too much.
    """
    use_one_core()
    finder = _finder(face_model)
    stages = iter(range(5))
    progress("measuring", next(stages), 4)
    model, header, _ = initial_model("starter", _MODEL, _SCHEME, INPUT_SHAPE)
    exported = export_onnx(model, header)
    crops = np.random.default_rng(0).integers(0, 256, (_STEPS, CROP_SIZE, CROP_SIZE), dtype=np.uint8)
    progress("measuring", next(stages), 4)
    step = cast(bytes, exported.step)  # this model streams
    streams, window = WindowStreams(step), OnnxModel(exported.window)
    steps = [_cpu_ms(partial(streams.step, crop)) for crop in crops]
    frames = crops[:SEQUENCE_FRAMES].astype(np.float32)[None, :, None] / 255
    windows = [_cpu_ms(lambda: window.run({"frames": frames})) for _ in range(_WINDOWS)]
    with torch.inference_mode():
        eager = [_cpu_ms(lambda: model(torch.from_numpy(frames))) for _ in range(_WINDOWS)]
    progress("measuring", next(stages), 4)
    spent, usable = _pipeline(step, finder, _rendered(folder / "webcam.avi"))
    pipeline = spent[_WARM_UP:]
    progress("measuring", 4, 4)
    fps = CaptureSettings().fps
    return {
        "stream_step_ms": _ms(median(steps[_WARM_UP:])),
        "stream_step_ms_p95": _ms(np.percentile(steps[_WARM_UP:], 95)),
        "window_ms": _ms(median(windows)),
        "eager_window_ms": _ms(median(eager)),
        "pipeline_ms": _ms(mean(pipeline)),
        "pipeline_ms_p50": _ms(median(pipeline)),
        "pipeline_ms_p95": _ms(np.percentile(pipeline, 95)),
        "core_share": round(mean(pipeline) * fps / 1000, 4),
        "max_abs_diff": exported.max_abs_diff,
        "fps": fps,
        "frames": len(spent),
        "usable_frames": usable,
        "detector": "haar" if face_model is None else "yunet",
        "model": _MODEL,
    }


@dataclass
class Metered(FrameSource):
    """Frames from memory, and the CPU milliseconds that whoever takes them spends on each."""

    frames: list[tuple[float, np.ndarray]]
    spent: list[float] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        for seconds, frame in self.frames:
            began = time.process_time()
            yield seconds, frame
            self.spent.append(1000 * (time.process_time() - began))

    def close(self) -> None:
        """There is nothing to let go of."""


def _pipeline(step: bytes, finder: FaceFinder, frames: list[tuple[float, np.ndarray]]) -> tuple[list[float], int]:
    """CPU milliseconds of each frame, and how many frames had a usable face."""
    reader = LiveReader(lambda: WindowStreams(step))
    reader.refresh()
    source = Metered(frames)
    counts = only_look(source, finder, scheme_by_name(_SCHEME), Event(), reader.see)
    return source.spent, counts.usable


def _rendered(path: Path) -> list[tuple[float, np.ndarray]]:
    """A rendered person in front of a laptop at the default frame rate, decoded."""
    fps = CaptureSettings().fps
    write_webcam(path, person(3), _PERFORMED, LAPTOP, seed=0, fps=round(fps))
    with open_source(str(path), fps) as source:
        return list(source)


def _finder(face_model: Path | None) -> FaceFinder:
    if face_model is None:
        return HaarFinder()
    try:
        return YuNetFinder(face_model, hashlib.sha256(face_model.read_bytes()).hexdigest())
    except (OSError, cv2.error) as error:
        raise SettingsError(f"The face model {face_model} cannot be used", why=str(error)) from error


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


def _ms(value: float | np.floating) -> float:
    return round(float(value), 3)
