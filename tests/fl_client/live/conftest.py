"""Stand-ins: a device that may read live, and models that count what they are shown."""

from types import SimpleNamespace

import numpy as np
import pytest

WINDOW = 16


class CountingModel:
    """Gives class `answer` all the probability, and keeps what it was shown since it started anew."""

    header = SimpleNamespace(classes=("neutral", "happiness", "surprise"))
    window = WINDOW

    def __init__(self, answer=0):
        self.answer, self.shown = answer, []

    @property
    def seen(self):
        return min(len(self.shown), self.window)

    def restart(self):
        self.shown = []

    def step(self, crop):
        self.shown.append(int(crop[0, 0]))
        return np.eye(3)[self.answer]


@pytest.fixture
def counting_model():
    return CountingModel


@pytest.fixture
def reading_laptop(make_laptop):
    """A device whose study allows live reading, as its files say it."""
    laptop = make_laptop(live_reading=True)
    laptop.enrolment.save(laptop.home)
    return laptop
