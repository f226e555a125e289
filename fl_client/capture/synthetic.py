"""A rendered person in place of a camera: for trying the client where nobody is to be filmed."""

import time
from collections.abc import Iterator
from itertools import cycle
from threading import Event

import numpy as np

from fl_client.capture.frame_source import FrameSource
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.expression import EXPRESSIONS, perform
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.render import render_frame

_SECONDS_EACH = 4.0  # of one expression
_TAKE_SECONDS = 600.0  # of one resting pose and scene


class SyntheticSource(FrameSource):
    """Person `number` of the rendered population before a laptop, one expression after another, on the real clock."""

    live = True

    def __init__(self, number: int, fps: float) -> None:
        self._person, self._fps, self._started = person(number), fps, time.monotonic()
        self._closed = Event()

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        self._closed.clear()
        due = time.monotonic()
        for picture in self._pictures():
            if self._closed.wait(max(0.0, due - time.monotonic())):
                return
            due = max(due, time.monotonic())
            yield due - self._started, picture
            due += 1 / self._fps

    def close(self) -> None:
        self._closed.set()

    def _pictures(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(self._person.number)
        each = max(1, round(_SECONDS_EACH * self._fps))
        labels = cycle(EXPRESSIONS)
        while True:
            poses, scene = LAPTOP.poses(max(each, round(_TAKE_SECONDS * self._fps)), self._fps, rng), LAPTOP.scene(rng)
            actions: list[np.ndarray] = []
            for pose in poses:
                if not actions:
                    actions = list(perform(next(labels), LAPTOP.display, self._person.manner, each, self._fps, rng))
                yield render_frame(self._person.identity, actions.pop(0), pose, scene, rng)
