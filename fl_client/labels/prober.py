"""One-tap questions about the last ten seconds: now and then, and only where they can be answered."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from threading import Event, Lock

import numpy as np

from fl_client.capture.window import Refusal
from fl_client.labels.events import PROBE, LabelEvent
from fl_client.labels.interruptions import Clock, Interruptions, SystemClock
from fl_client.labels.presence import Presence
from fl_client.settings import LabelSettings
from shared_models.data.labels import LabelScheme
from shared_models.errors import DataError

_TICK_SECONDS = 1.0
_STALE_SECONDS = 2.0  # without a frame for so long, capture does not run
_REMEMBERED = 20  # questions, so that a late answer hears why it does not count


@dataclass(frozen=True)
class Probe:
    """One question: how its reader felt in the ten seconds before `shown_at`.

    choices: the classes of the study's scheme, one of which is the answer
    """

    id: str
    shown_at: datetime
    answer_by: datetime
    choices: tuple[str, ...]

    @property
    def facts(self) -> dict[str, object]:
        """As JSON has it."""
        times = {"shown_at": self.shown_at.isoformat(), "answer_by": self.answer_by.isoformat()}
        return {"id": self.id, **times, "choices": list(self.choices)}


@dataclass(frozen=True)
class _Open:
    """The question that waits: when it was shown on the camera's timeline, and when it ends on the monotonic one."""

    probe: Probe
    seconds: float
    ends: float


class Prober:
    """Asks, and hands out the answers as labels. Threads may share it.

    Two questions are never closer than the shortest interval, whatever happens between them. Where nobody can be asked
    until the longest has passed, that question is left out. A pause, the end of consent, a sleep of the computer and a
    clock that is set take an open question back, and the time to the next begins anew.

    allowed: whether a label may be asked for and stored now: consent to capture and to store, and room
    chance:  what the intervals are drawn from
    """

    name = "questions"

    def __init__(
        self,
        scheme: LabelScheme,
        settings: LabelSettings,
        allowed: Callable[[], bool],
        *,
        clock: Clock = SystemClock(),
        chance: Random = secrets.SystemRandom(),
    ) -> None:
        self._scheme, self._settings, self._allowed = scheme, settings, allowed
        self._clock, self._chance, self._interruptions = clock, chance, Interruptions(clock)
        self._lock = Lock()
        self._presence, self._looked = Presence(), clock.monotonic()
        self._open: _Open | None = None
        self._ended: dict[str, str] = {}
        self._answers: list[LabelEvent] = []
        self._handed_out: list[LabelEvent] = []
        self._plan()

    def run(self, stop: Event) -> None:
        """Asks at its times until `stop` is set."""
        while not stop.wait(_TICK_SECONDS):
            self.tick()
        with self._lock:
            self._start_over()

    def tick(self) -> None:
        """Shows a question where one is due and can be answered; to be called about every second."""
        with self._lock:
            now = self._settle()
            if now < self._earliest:
                return
            if now - self._looked <= _STALE_SECONDS and self._presence.worth_asking:
                self._ask(now)
            elif now >= self._latest:
                self._plan()

    def see(self, seconds: float, look: np.ndarray | Refusal) -> None:
        """Take note of one frame at `seconds` of the camera's timeline: its crop, or why there is none."""
        with self._lock:
            if seconds <= self._presence.seconds:  # the camera started anew: no earlier time means anything now
                self._presence = Presence()
                self._start_over()
            self._presence.see(seconds, not isinstance(look, Refusal))
            self._looked = self._clock.monotonic()

    def pending(self) -> Probe | None:
        """The question that waits for an answer."""
        with self._lock:
            self._settle()
            return self._open.probe if self._open else None

    def answer(self, probe_id: str, label: str) -> None:
        """The one tap. Raises DataError for a question that does not wait any more, or a label not in the scheme."""
        with self._lock:
            waiting = self._waiting(probe_id)
            name = self._scheme.classes[self._scheme.index(label)]
            self._answers.append(LabelEvent(waiting.seconds, name, PROBE))
            self._end("it was answered already")

    def skip(self, probe_id: str) -> None:
        """No answer this time. Raises DataError for a question that does not wait any more."""
        with self._lock:
            self._waiting(probe_id)
            self._end("it was skipped already")

    def due(self, until: float) -> list[LabelEvent]:
        """As LabelSource has it."""
        with self._lock:
            self._handed_out = [event for event in self._answers if event.seconds <= until]
            self._answers = [event for event in self._answers if event.seconds > until]
            return list(self._handed_out)

    def asked(self) -> float | None:
        """When the question was shown whose frames are still needed, in seconds of the camera's timeline.

        That is the one that waits, or one whose answer capture has not had the time to store: until it asks again for
        what is due.
        """
        with self._lock:
            waiting = [self._open.seconds] if self._open else []
            answered = [event.seconds for event in (*self._handed_out, *self._answers)]
            return min(answered + waiting, default=None)

    def _settle(self) -> float:
        """Takes back or ends what time has ended; the monotonic time now."""
        if self._interruptions.since_last_look() or not self._allowed():
            self._start_over()
        now = self._clock.monotonic()
        if self._open and now >= self._open.ends:
            self._end(f"it waited for {self._settings.answer_seconds:g} seconds")
        return now

    def _start_over(self) -> None:
        self._end("taking part was paused, the computer slept, or the camera started anew")
        self._answers.clear()
        self._plan()

    def _plan(self) -> None:
        """The next question is due at a time drawn from between the shortest and the longest interval from now."""
        now, shortest, longest = self._clock.monotonic(), *self._settings.interval_seconds
        self._earliest = now + self._chance.uniform(shortest, longest)
        self._latest = now + longest

    def _ask(self, now: float) -> None:
        waits, shown_at = self._settings.answer_seconds, self._clock.now()
        answer_by = shown_at + timedelta(seconds=waits)
        probe = Probe(secrets.token_hex(8), shown_at, answer_by, self._scheme.classes)
        self._open = _Open(probe, self._presence.seconds, now + waits)
        self._plan()

    def _waiting(self, probe_id: str) -> _Open:
        self._settle()
        if self._open and self._open.probe.id == probe_id:
            return self._open
        raise DataError(
            "This question takes no answer any more",
            why=self._ended.get(probe_id, "it is not one that this program has asked lately"),
            fix="Wait for the next one; nothing more was stored",
        )

    def _end(self, why: str) -> None:
        if self._open:
            self._ended[self._open.probe.id] = why
            self._open = None
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
