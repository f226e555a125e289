"""Labels that nobody gave: the model's own reading, kept only where the student wants that."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fl_client.labels.events import PSEUDO, LabelEvent
from fl_client.settings import LabelSettings
from shared_models.data.labels import LabelScheme


class Reading(Protocol):
    """What the model reads now: probabilities (K,) over `classes`, at `seconds` of the camera's timeline.

    whole: whether it rests on all frames of a window
    """

    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def probabilities(self) -> Sequence[float] | np.ndarray: ...
    @property
    def whole(self) -> bool: ...
    @property
    def seconds(self) -> float: ...


class Reader(Protocol):
    def reading(self) -> Reading | None:
        """The latest reading; None while nothing is known."""


class PseudoLabels:
    """The model's reading as labels, where the settings want it and the scheme is one of basic emotions.

    A learner's states are never labelled this way. There is at most one label in the shortest interval of questions,
    and none below the confidence of the settings.

    hold: while it returns True nothing is labelled: a question is open, or the rest of the store is for answers
    """

    def __init__(self, reader: Reader, scheme: LabelScheme, settings: LabelSettings, hold: Callable[[], bool]) -> None:
        self._reader, self._scheme, self._hold = reader, scheme, hold
        self._wanted = settings.pseudo and not scheme.has_levels
        self._confidence, self._spacing = settings.pseudo_confidence, settings.interval_seconds[0]
        self._last = -math.inf

    def due(self, until: float) -> list[LabelEvent]:
        """As LabelSource has it: the present reading, where it counts."""
        reading = self._reader.reading() if self._wanted else None
        if reading is None or not reading.whole or reading.seconds > until or not self._far_enough(reading.seconds):
            return []
        probability, label = max(zip(reading.probabilities, reading.classes, strict=True))
        if not probability >= self._confidence or label not in self._scheme.classes or self._hold():
            return []
        self._last = reading.seconds
        return [LabelEvent(reading.seconds, label, PSEUDO)]

    def _far_enough(self, seconds: float) -> bool:
        if seconds < self._last:  # the camera started anew
            self._last = -math.inf
        return seconds - self._last >= self._spacing
