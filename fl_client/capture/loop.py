"""From camera frames to stored sequences: only what a label asks for leaves memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Protocol

import cv2
import numpy as np

from fl_client.capture.sources import FrameSource
from fl_client.capture.window import Refusal, WindowBuffer
from fl_client.labels import LabelEvent, LabelSource
from fl_client.store import StoreFullError
from shared_models.data.faces import Face, FaceFinder, crop_face, single_face
from shared_models.data.labels import LabelScheme


@dataclass(frozen=True)
class Quality:
    """What a face must have to be used.

    face_pixels: smallest width and height of its box in the frame
    sharpness:   smallest variance of the Laplacian over the crop (Pech-Pacheco et al., 2000). On 48-pixel
                 FER2013 faces the median is 2,010; Gaussian blur of sigma 2 leaves 20, of sigma 3 leaves 6
    """

    face_pixels: int = 60
    sharpness: float = 15.0


@dataclass
class CaptureCounts:
    """What became of the frames and labels so far.

    frames:  frames looked at
    usable:  frames with one face, large and sharp enough
    stored:  sequences stored
    refused: labels without a sequence, by reason (the values of Refusal)
    """

    frames: int = 0
    usable: int = 0
    stored: int = 0
    refused: dict[str, int] = field(default_factory=dict)


class SequenceSink(Protocol):
    def __len__(self) -> int:
        """The number of sequences kept."""

    def add(self, frames: np.ndarray, label_index: int, label: str, source: str, captured_at: datetime) -> object:
        """Keep one sequence, frames (T, 1, H, W) uint8."""


class CaptureLoop:
    """Watches one source and stores a sequence for each label that has a clear window before it.

    capacity: number of sequences at which the store takes no more
    stop:     ends the loop at the next frame
    paused:   while it returns True frames are thrown away unseen, and what was in memory is forgotten
    """

    def __init__(
        self,
        source: FrameSource,
        finder: FaceFinder,
        labels: LabelSource,
        store: SequenceSink,
        scheme: LabelScheme,
        *,
        capacity: int,
        stop: Event,
        paused: Callable[[], bool],
        quality: Quality = Quality(),
    ) -> None:
        self.counts = CaptureCounts()
        self._source, self._finder, self._labels, self._store = source, finder, labels, store
        self._scheme, self._stop, self._paused, self._quality = scheme, stop, paused, quality
        self._window, self._capacity = WindowBuffer(), capacity

    def run(self) -> CaptureCounts:
        """Work until the source ends or `stop` is set; the labels left at the end are counted as refused.

        Raises CameraError where the source fails, StorageError where a sequence cannot be stored.
        """
        for seconds, frame in self._source:
            if self._stop.is_set():
                return self.counts
            if self._paused():
                self._window.clear()
                continue
            self._window.add(seconds, self._look(frame))
            self._answer(self._labels.due(seconds))
        self._answer(self._labels.due(math.inf))
        return self.counts

    def _look(self, frame: np.ndarray) -> np.ndarray | Refusal:
        """The crop of the one face in `frame`, (H, W) uint8, or why it has no use."""
        self.counts.frames += 1
        face = single_face(self._finder, frame)
        if not isinstance(face, Face):
            return Refusal(face)
        if min(face.box[2:]) < self._quality.face_pixels:
            return Refusal.SMALL_FACE
        crop = crop_face(frame, face)
        if cv2.Laplacian(crop, cv2.CV_64F).var() < self._quality.sharpness:
            return Refusal.BLURRED
        self.counts.usable += 1
        return crop

    def _answer(self, events: list[LabelEvent]) -> None:
        for event in events:
            refusal = self._keep(event)
            if refusal is None:
                self.counts.stored += 1
            else:
                self.counts.refused[refusal.value] = self.counts.refused.get(refusal.value, 0) + 1

    def _keep(self, event: LabelEvent) -> Refusal | None:
        """Store the window before `event`, or say why not."""
        if len(self._store) >= self._capacity:
            return Refusal.FULL
        window = self._window.cut(event.seconds)
        if isinstance(window, Refusal):
            return window
        index = self._scheme.index(event.label)
        try:
            self._store.add(window, index, event.label, event.source, datetime.now(UTC))
        except StoreFullError:
            return Refusal.FULL
        return None
