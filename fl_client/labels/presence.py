"""Whether there is somebody to ask, and anything to ask about."""

import math

from fl_client.labels.events import ABOUT_SECONDS

_WINDOW_SECONDS = 2.0  # of a stored sequence
_LARGEST_GAP = 0.5  # seconds between two frames, beyond which no window spans them
_LATELY = 3.0  # seconds


class Presence:
    """What the last frames showed, on the camera's own timeline; it keeps times and no picture."""

    def __init__(self) -> None:
        self.seconds = -math.inf
        """The time of the last frame."""
        self._clear_since = math.inf
        self._last_clear = self._last_window = -math.inf

    def see(self, seconds: float, clear: bool) -> None:
        """The frame at `seconds`, later than the one before, shows one usable face, or not."""
        if not clear or seconds - self.seconds > _LARGEST_GAP:
            self._clear_since = math.inf
        self.seconds = seconds
        if clear:
            self._last_clear = seconds
            self._clear_since = min(self._clear_since, seconds)
        if seconds - self._clear_since >= _WINDOW_SECONDS:
            self._last_window = seconds

    @property
    def worth_asking(self) -> bool:
        """Whether a face was there a moment ago, and one clear window ends in the last ten seconds."""
        return self.seconds - self._last_clear <= _LATELY and self.seconds - self._last_window <= ABOUT_SECONDS
