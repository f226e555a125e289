"""One reading: how likely each class is, and how sure that is in a word."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

_WORDS = ((0.9, "very likely"), (0.66, "likely"), (0.5, "more likely than not"))
_UNCLEAR = "unclear"


def sureness(probability: float) -> str:
    """A word for how sure that is, by the scale of the IPCC (Mastrandrea et al. 2010, table 1); docs/live-reading.md
    says how often each word was right."""
    return next((word for least, word in _WORDS if probability >= least), _UNCLEAR)


@dataclass(frozen=True)
class Reading:
    """What the model makes of the last frames.

    classes:       the scheme's, in its order
    probabilities: (K,), one for each class, summing to 1
    frames:        how many frames it rests on
    whole:         whether these are all of a window; the first two seconds of a face give less
    seconds:       on the camera's timeline
    at:            when, in UTC
    """

    classes: tuple[str, ...]
    probabilities: np.ndarray
    frames: int
    whole: bool
    seconds: float
    at: datetime

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """Of `label`."""
        return float(self.probabilities.max())

    @property
    def sure(self) -> str:
        """The same in a word."""
        return sureness(self.probability)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "at": self.at.isoformat(timespec="milliseconds"),
            "seconds": round(self.seconds, 3),
            "label": self.label,
            "probability": round(self.probability, 4),
            "sure": self.sure,
            "frames": self.frames,
            "whole": self.whole,
            "probabilities": {
                name: round(float(p), 4) for name, p in zip(self.classes, self.probabilities, strict=True)
            },
        }
