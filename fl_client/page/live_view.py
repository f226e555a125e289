"""The parts of the page that change by themselves, as the templates place them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fl_client.consent import State
from fl_client.page.device import Device, Probe, Reading
from fl_client.page.hints import Hint, Hints
from fl_client.page.states import by_state, states_of
from fl_client.page.timeline import Timeline
from fl_client.page.words import Words
from shared_models.data.labels import scheme_by_name
from shared_models.errors import AttuneError

Light = Literal["recording", "idle", "paused", "off"]

SLOTS = 48


@dataclass(frozen=True)
class Bar:
    """One state, and how strongly it is read, of 100."""

    name: str
    percent: int


@dataclass(frozen=True)
class ReadingView:
    headline: str
    sure: str
    percent: int
    bars: list[Bar]


@dataclass(frozen=True)
class Choice:
    """One answer: the label that is sent back, the word on its button, and all of it for who cannot see the row."""

    label: str
    word: str
    whole: str


@dataclass(frozen=True)
class ProbeView:
    """`rows` of choices; each has a name where the scheme has levels."""

    id: str
    shown_at: datetime
    rows: list[tuple[str, list[Choice]]]


@dataclass(frozen=True)
class Lane:
    """One state over the session: its mean share in each slot, None where nobody was read."""

    name: str
    shares: list[float | None]
    mean: int


@dataclass(frozen=True)
class TimelineView:
    lanes: list[Lane]
    began: datetime
    minutes: int


@dataclass(frozen=True)
class LiveView:
    light: Light
    camera: str
    training: str
    reading: ReadingView | None
    no_reading: str
    """Why there is none; empty where there is one."""
    probe: ProbeView | None
    hint: Hint | None
    hints: Literal["on", "off", "none"]
    """`none` where the settings offer no hints."""
    timeline: TimelineView | None
    version: str
    """Another text where what is kept, was sent or is agreed to has changed."""


class LiveViews:
    """What one device does at this moment, in the words of one language."""

    def __init__(self, device: Device, timeline: Timeline, hints: Hints, words: Words, clock: Callable[[], float]):
        self._device, self._timeline, self._hints = device, timeline, hints
        self._words, self._clock = words, clock

    def now(self) -> LiveView:
        device, now = self._device, self._clock()
        doing = device.doing()
        light = self._light(doing.looking)
        reading = device.reader.reading() if device.reader and light == "recording" else None
        view = None if reading is None else self._reading(reading)
        probe = device.prober.pending() if device.prober and light == "recording" else None
        return LiveView(
            light=light,
            camera=doing.camera,
            training=doing.training,
            reading=view,
            no_reading="" if view else self._why_no_reading(light),
            probe=None if probe is None else self._probe(probe),
            hint=self._hints.due(now) if light == "recording" else None,
            hints=("on" if self._hints.are_on else "off") if self._hints.offered else "none",
            timeline=self._timeline_view(now) if device.reader else None,
            version=self._version(),
        )

    def _light(self, looking: bool) -> Light:
        if self._device.consent.current().state is State.PAUSED:
            return "paused"
        if not self._device.may_look:
            return "off"
        return "recording" if looking else "idle"

    def _reading(self, reading: Reading) -> ReadingView:
        shares = by_state(reading)
        best = reading.classes[max(range(len(reading.classes)), key=lambda i: float(reading.probabilities[i]))]
        bars = [Bar(self._words(f"label.{name}"), _percent(share)) for name, share in shares.items()]
        sure = self._words(f"sure.{reading.sure.replace(' ', '_')}")
        return ReadingView(self._words.label(best), sure, _percent(float(max(reading.probabilities))), bars)

    def _why_no_reading(self, light: Light) -> str:
        reader = self._device.reader
        if reader is None:
            return self._device.no_reader or self._words("reading.none")
        if light != "recording":
            return self._words("reading.not_now")
        if reader.state != "reading":
            return self._words("reading.not_yet", why=reader.state.rstrip("."))
        return self._words("reading.nobody")

    def _probe(self, probe: Probe) -> ProbeView:
        rows: dict[str, list[Choice]] = {}
        for label in probe.choices:
            state, _, level = label.partition(":")
            word = self._words(f"level.{level}") if level else self._words(f"label.{state}")
            row = self._words(f"label.{state}") if level else ""
            rows.setdefault(row, []).append(Choice(label, word, self._words.label(label)))
        return ProbeView(probe.id, probe.shown_at.astimezone(), list(rows.items()))

    def _timeline_view(self, now: float) -> TimelineView:
        began, slots = self._timeline.slots(SLOTS, now)
        lanes = []
        for name in states_of(scheme_by_name(self._device.enrolment.policy.scheme).classes):
            shares = [None if slot.shares is None else slot.shares[name] for slot in slots]
            known = [share for share in shares if share is not None]
            mean = _percent(sum(known) / len(known)) if known else 0
            lanes.append(Lane(self._words(f"label.{name}"), shares, mean))
        return TimelineView(lanes, datetime.fromtimestamp(began, UTC).astimezone(), round((now - began) / 60))

    def _version(self) -> str:
        try:
            kept = str(len(self._device.kept))
        except AttuneError as error:  # said where what is kept is shown
            kept = str(error)
        return f"{kept} {self._device.sent.version()} {self._device.consent.current().since}"


def _percent(share: float) -> int:
    return round(100 * share)
