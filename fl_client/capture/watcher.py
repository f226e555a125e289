"""Finds the face in each frame: a search of the whole frame now and then, and what is cheap in between."""

from dataclasses import dataclass

import cv2
import numpy as np

from fl_client.capture.tracking import KnownFace
from shared_models.data.faces import Face, FaceFinder, Refusal, shrink, single_face


@dataclass(frozen=True)
class Sighting:
    """The one face in a frame, or why there is none; `searched`, or known from an earlier search."""

    face: Face | Refusal
    searched: bool


class FaceWatcher:
    """Says of each frame where its one face is.

    A frame is searched whole unless the last search found one face, was less than `search_seconds` ago, and this frame
    differs from the one searched in nothing but that face's movement. So no frame is taken to show one person because
    an earlier one did: either it was searched, or nobody can have come into it.
    """

    def __init__(self, finder: FaceFinder, search_seconds: float) -> None:
        self._finder, self._search_seconds = finder, search_seconds
        self._known: KnownFace | None = None
        self._searched_at = 0.0

    def look(self, seconds: float, frame: np.ndarray, *, search: bool = False) -> Sighting:
        """The face in `frame`, (H, W, 3) BGR uint8, at `seconds`; `search`: search it whatever is known."""
        small, scale = shrink(frame)
        gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        if self._known and not search and 0 <= seconds - self._searched_at < self._search_seconds:
            face = self._known.follow(gray)
            if face:
                return Sighting(face, searched=False)
        found = single_face(self._finder, frame)
        self._known = KnownFace(gray, scale, found) if isinstance(found, Face) else None
        self._searched_at = seconds
        return Sighting(found, searched=True)

    def forget(self) -> None:
        """Forget the last frame: the next one is searched."""
        self._known = None
