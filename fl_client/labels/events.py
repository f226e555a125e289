"""Labels as they arrive: what a student felt, and when."""

from dataclasses import dataclass
from typing import Protocol

PROBE = "probe"
"""The student's own answer to a question."""
SCRIPT = "script"
"""A line of a file that stands for a tap."""
PSEUDO = "pseudo"
"""The model's own reading: nobody said so."""

ABOUT_SECONDS = 10.0
"""How long before its time a label is about."""


@dataclass(frozen=True)
class LabelEvent:
    """One label: `seconds` on the camera's own timeline, a class name, and who or what gave it.

    The answer to a question carries the time at which the question was shown, however late it came.
    """

    seconds: float
    label: str
    source: str


class LabelSource(Protocol):
    def due(self, until: float) -> list[LabelEvent]:
        """The events at or before `until` seconds that were not handed out yet, in order of time."""


class Together:
    """Several sources as one."""

    def __init__(self, *sources: LabelSource) -> None:
        self._sources = sources

    def due(self, until: float) -> list[LabelEvent]:
        events = [event for source in self._sources for event in source.due(until)]
        return sorted(events, key=lambda event: event.seconds)
