"""From camera frames to stored sequences: only what a label asks for leaves memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol

import numpy as np

from fl_client.capture.frame_source import FrameSource
from fl_client.capture.quality import is_dark, refusal_of_crop, refusal_of_face
from fl_client.capture.watcher import FaceWatcher
from fl_client.capture.window import REACH_SECONDS, Look, Refusal, WindowBuffer
from fl_client.labels import LabelEvent, LabelSource
from fl_client.settings import QualitySettings
from fl_client.store import StoreFullError
from shared_models.data.faces import Face, FaceFinder, crop_face
from shared_models.data.faces import Refusal as FaceRefusal
from shared_models.data.labels import LabelScheme
from shared_models.errors import CameraError

_PAUSE_LOOK_SECONDS = 0.2
_ABOUT_THE_PAST = {"probe"}  # sources of labels about the last ten seconds; any other's is about the window it ends


@dataclass(frozen=True)
class CaptureCounts:
    """What became of the frames and labels so far; replaced as a whole, so that any thread may read it.

    frames:         frames looked at
    searched:       of these, those that were searched whole for faces
    usable:         frames with one face that passes every gate
    unusable:       the other frames, by reason (the values of Refusal)
    stored:         sequences stored
    refused:        labels without a sequence, by reason (the values of Refusal)
    """

    frames: int = 0
    searched: int = 0
    usable: int = 0
    unusable: dict[str, int] = field(default_factory=dict)
    stored: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def with_look(self, look: Look) -> "CaptureCounts":
        counts = replace(self, frames=self.frames + 1, searched=self.searched + look.searched)
        if isinstance(look.seen, Refusal):
            return replace(counts, unusable=_one_more(self.unusable, look.seen))
        return replace(counts, usable=self.usable + 1)

    def with_answer(self, refusal: Refusal | None) -> "CaptureCounts":
        if refusal is None:
            return replace(self, stored=self.stored + 1)
        return replace(self, refused=_one_more(self.refused, refusal))


class SequenceSink(Protocol):
    def __len__(self) -> int:
        """The number of sequences kept."""

    def add(self, frames: np.ndarray, label_index: int, label: str, source: str, captured_at: datetime) -> object:
        """Keep one sequence, frames (T, 1, H, W) uint8."""


class CaptureLoop:
    """Watches one source and stores a sequence for each label that has a clear window before it.

    It can be run again after it has failed: the source is opened anew, and nothing from before is in memory.

    capacity:       number of sequences at which the store takes no more
    paused:         while it returns True no frame is looked at, what was in memory is forgotten, and a live source is
                    let go of: the camera's own light goes out
    on_look:        told of each frame looked at: its seconds, and its crop (H, W) uint8 or why there is none; the crop
                    is overwritten once it is forgotten here
    asked:          when a question was shown that still waits, None where none does: frames that it is about are kept
    search_seconds: see FaceWatcher
    """

    name = "camera"

    def __init__(
        self,
        source: FrameSource,
        finder: FaceFinder,
        labels: LabelSource,
        store: SequenceSink,
        scheme: LabelScheme,
        *,
        capacity: int,
        paused: Callable[[], bool],
        on_look: Callable[[float, np.ndarray | Refusal], None] = lambda seconds, look: None,
        asked: Callable[[], float | None] = lambda: None,
        quality: QualitySettings = QualitySettings(),
        search_seconds: float = 0.5,
    ) -> None:
        self.counts, self.state = CaptureCounts(), "starting"
        self._source, self._labels, self._store, self._scheme = source, labels, store, scheme
        self._watcher, self._quality = FaceWatcher(finder, search_seconds), quality
        self._capacity, self._paused, self._on_look, self._asked = capacity, paused, on_look, asked
        self._window = WindowBuffer()

    def run(self, stop: Event) -> CaptureCounts:
        """Work until the source ends or `stop` is set; the labels left at its end are answered from what was seen.

        Raises CameraError where the source fails or never shows a usable face, StorageError where a sequence cannot be
        stored.
        """
        self._window = WindowBuffer()
        try:
            while not stop.is_set():
                if self._source.live and self._paused():
                    self.state = "paused"
                    stop.wait(_PAUSE_LOOK_SECONDS)
                elif self._watch(stop):
                    break
        finally:
            self._forget()
            self._source.close()
            self.state = "ended"
        if self.counts.frames and not self.counts.usable and not stop.is_set():
            raise _nobody_there(self.counts)
        return self.counts

    def _watch(self, stop: Event) -> bool:
        """Look at frames; whether the source ended, rather than was let go of for a pause."""
        last: tuple[np.ndarray, Look] | None = None
        for seconds, frame in self._source:
            if stop.is_set():
                return True
            if self._paused():
                self.state = "paused"
                self._forget()
                last = None
                if self._source.live:
                    self._source.close()
                    return False
                continue
            self.state = "capturing"
            waiting = self._asked()  # before `due`: an answer that comes between the two is in one of them at least
            events = self._labels.due(seconds)
            look = self._look(seconds, frame, search=bool(events))
            self._window.add(look, [event.seconds for event in events] + ([] if waiting is None else [waiting]))
            self.counts = self.counts.with_look(look)
            self._on_look(seconds, look.seen)
            self._answer(events, seconds)
            last = frame, look
        self._answer_the_rest(self._labels.due(math.inf), last)
        return True

    def _answer_the_rest(self, events: list[LabelEvent], last: tuple[np.ndarray, Look] | None) -> None:
        """Answer the labels that are left when the source has ended."""
        if events and last and not last[1].searched:
            self._window.add(self._look(last[1].seconds, last[0], search=True))
        self._answer(events, last[1].seconds if last else 0.0)

    def _look(self, seconds: float, frame: np.ndarray, *, search: bool) -> Look:
        """What `frame` shows; where a label is due, `search` settles whether anybody came in since the last search."""
        sighting = self._watcher.look(seconds, frame, search=search)
        return Look(seconds, self._crop_or_refusal(frame, sighting.face), sighting.searched)

    def _crop_or_refusal(self, frame: np.ndarray, face: Face | FaceRefusal) -> np.ndarray | Refusal:
        if not isinstance(face, Face):
            covered = face is FaceRefusal.NO_FACE and is_dark(frame[::8, ::8], self._quality)
            return Refusal.TOO_DARK if covered else Refusal(face)
        refusal = refusal_of_face(face, self._quality)
        if refusal:
            return refusal
        crop = crop_face(frame, face)
        return refusal_of_crop(crop, self._quality) or crop

    def _answer(self, events: list[LabelEvent], now: float) -> None:
        for event in events:
            self.counts = self.counts.with_answer(self._keep(event, now))

    def _keep(self, event: LabelEvent, now: float) -> Refusal | None:
        """Store the window that `event` is about, or say why not."""
        if len(self._store) >= self._capacity:
            return Refusal.FULL
        window = self._window.cut(event.seconds, REACH_SECONDS if event.source in _ABOUT_THE_PAST else 0.0)
        if isinstance(window, Refusal):
            return window
        captured_at = datetime.now(UTC) - timedelta(seconds=max(0.0, now - window.end))
        index = self._scheme.index(event.label)
        try:
            self._store.add(window.frames, index, event.label, event.source, captured_at)
        except StoreFullError:
            return Refusal.FULL
        return None

    def _forget(self) -> None:
        self._window.clear()
        self._watcher.forget()


def _one_more(counts: dict[str, int], refusal: Refusal) -> dict[str, int]:
    return counts | {refusal.value: counts.get(refusal.value, 0) + 1}


def _nobody_there(counts: CaptureCounts) -> CameraError:
    reason = max(counts.unusable, key=lambda name: counts.unusable[name])
    return CameraError(
        "No usable face was found in any frame",
        why=f"of {counts.frames} frames, {counts.unusable[reason]} were refused as {reason}",
        fix="Check that somebody sits in front of the camera, close enough and in good light, and start again",
    )
