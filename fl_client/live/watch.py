"""Live reading without the daemon: the camera's frames go through capture's own loop, and nothing is kept of them."""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Event

import numpy as np

from fl_client.capture.loop import CaptureCounts, CaptureLoop
from fl_client.capture.sources import FrameSource
from fl_client.capture.window import Refusal
from fl_client.consent import ConsentBook, Scope
from fl_client.home import Enrolment
from fl_client.labels import LabelEvent
from fl_client.live.reader import LiveReader
from fl_client.live.reading import Reading
from fl_client.settings import Settings
from shared_models.data.faces import FaceFinder
from shared_models.data.labels import LabelScheme, scheme_by_name
from shared_models.errors import StorageError


class Nothing:
    """No label ever falls due, and no sequence is ever taken."""

    def __len__(self) -> int:
        return 0

    def due(self, until: float) -> list[LabelEvent]:
        return []

    def add(self, frames: np.ndarray, label_index: int, label: str, source: str, captured_at: datetime) -> object:
        raise StorageError("Live reading stores nothing")


def watch(
    enrolment: Enrolment,
    reader: LiveReader,
    consent: ConsentBook,
    source: FrameSource,
    finder: FaceFinder,
    stop: Event,
    show: Callable[[Reading], None],
    settings: Settings = Settings(),
) -> None:
    """Reads `source` until it ends or `stop` is set; `show` gets each reading. A recording is read at its own pace.

    Raises CameraError where the source fails. While capture is paused no frame is looked at.
    """
    began, policy = time.monotonic(), enrolment.policy

    def on_look(seconds: float, look: np.ndarray | Refusal) -> None:
        stop.wait(max(0.0, began + seconds - time.monotonic()))
        reader.see(seconds, look)
        reading = reader.reading()
        if reading is not None and reading.seconds == seconds:
            show(reading)

    def paused() -> bool:
        return not consent.current().allows(Scope.CAPTURE, policy.hash)

    only_look(source, finder, scheme_by_name(policy.scheme), stop, on_look, paused, settings)


def only_look(
    source: FrameSource,
    finder: FaceFinder,
    scheme: LabelScheme,
    stop: Event,
    on_look: Callable[[float, np.ndarray | Refusal], None],
    paused: Callable[[], bool] = lambda: False,
    settings: Settings = Settings(),
) -> CaptureCounts:
    """Capture's own way from frame to crop, with nothing to keep and nowhere to keep it. Raises CameraError."""
    nothing = Nothing()
    loop = CaptureLoop(
        source,
        finder,
        nothing,
        nothing,
        scheme,
        capacity=0,
        paused=paused,
        on_look=on_look,
        quality=settings.quality,
        search_seconds=settings.capture.search_seconds,
    )
    return loop.run(stop)
