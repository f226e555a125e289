"""A student before a camera, on a clock that the test moves."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np

from fl_client.labels.prober import Prober
from fl_client.settings import LabelSettings
from shared_models.data.labels import scheme_by_name

CROP = np.zeros((48, 48), np.uint8)


class FakeClock:
    def __init__(self):
        self.seconds = 1000.0
        self.day = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def monotonic(self):
        return self.seconds

    def now(self):
        return self.day

    def wait(self, seconds):
        self.seconds += seconds
        self.day += timedelta(seconds=seconds)

    def sleep(self, seconds):
        """The lid is closed: as on Linux, only the time of day goes on."""
        self.day += timedelta(seconds=seconds)


class Desk:
    """A student before a camera, and the prober that watches them: every second a tick and two frames."""

    def __init__(self, scheme="basic-7", seed=1, **settings):
        self.clock, self.allowed, self.settings = FakeClock(), True, LabelSettings(**settings)
        self.scheme = scheme_by_name(scheme)
        self.chance = Random(seed)
        self.prober = Prober(self.scheme, self.settings, lambda: self.allowed, clock=self.clock, chance=self.chance)
        self.camera = 0.0
        self.shown = []
        """When questions were shown: the monotonic time."""

    def spend(self, seconds, look=CROP, *, camera=True):
        """Time goes by with `look` before the camera; stops at a new question. Returns the time that went by."""
        for second in range(int(seconds)):
            before = self.prober.pending()
            for _ in range(2):
                self.clock.wait(0.5)
                self.camera += 0.5
                if camera and self.allowed:
                    self.prober.see(self.camera, look)
            self.prober.tick()
            now = self.prober.pending()
            if now is not None and now != before:
                self.shown.append(self.clock.seconds)
                return second + 1
        return int(seconds)

    def until_asked(self):
        self.spend(16 * 60)
        probe = self.prober.pending()
        assert probe is not None
        return probe


@dataclass
class Reading:
    seconds: float
    probability: float = 0.99
    label: str = "surprise"
    whole: bool = True

    @property
    def classes(self):
        return (self.label, "another")

    @property
    def probabilities(self):
        return (self.probability, 1 - self.probability)


class Reader:
    def __init__(self, reading=None):
        self.now = reading

    def reading(self):
        return self.now
