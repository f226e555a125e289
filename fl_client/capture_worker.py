"""The daemon's eye: opens a camera, films while that is allowed, and opens it again where it went away."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from fl_client.capture.loop import CaptureCounts, CaptureLoop, SequenceSink
from fl_client.capture.sources import FrameSource
from fl_client.consent import ConsentBook, Scope
from fl_client.labels import LabelSource
from shared_models.data.faces import FaceFinder
from shared_models.data.labels import scheme_by_name
from shared_models.errors import CameraError
from shared_models.privacy.policy import Policy


@dataclass(frozen=True)
class Camera:
    """Something to film with.

    open: gives its frames from then on; raises CameraError where it is missing or in use
    live: whether it is a device that may come back when it fails; a recording just ends
    """

    open: Callable[[], FrameSource]
    live: bool


class CaptureWorker:
    """Films for one study. `counts` go on however often the camera is opened."""

    def __init__(
        self,
        camera: Camera,
        finder: FaceFinder,
        labels: LabelSource,
        store: SequenceSink,
        policy: Policy,
        consent: ConsentBook,
    ) -> None:
        self.counts, self._state = CaptureCounts(), "starting"
        self._camera, self._finder, self._labels = camera, finder, labels
        self._store, self._policy, self._consent = store, policy, consent

    @property
    def state(self) -> str:
        return "paused" if self._state == "capturing" and not self._agreed() else self._state

    def run(self, stop: threading.Event) -> None:
        """Films until `stop` or the recording's end. Raises CameraError where the camera fails or a recording shows no
        usable face, StorageError where a sequence cannot be stored."""
        try:
            with self._camera.open() as source:
                self._state = "capturing"
                self._film(source, stop)
        finally:
            self._state = "ended"
        if self.counts.frames and not self.counts.usable and not stop.is_set():
            raise CameraError(
                "No usable face was found in any frame",
                why="nobody was in the picture, or the picture is too dark, too small or too blurred",
                fix="Check the camera or the video and start again",
            )

    def _film(self, source: FrameSource, stop: threading.Event) -> None:
        loop = CaptureLoop(
            source,
            self._finder,
            self._labels,
            self._store,
            scheme_by_name(self._policy.scheme),
            capacity=self._policy.max_sequences,
            stop=stop,
            paused=lambda: not self._agreed(),
        )
        loop.counts = self.counts
        loop.run()

    def _agreed(self) -> bool:
        consent = self._consent.current()
        return all(consent.allows(scope, self._policy.hash) for scope in (Scope.CAPTURE, Scope.STORE))
