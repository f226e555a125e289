"""What the page shows, in words and numbers that the templates only have to place."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from fl_client.consent import Scope, State
from fl_client.explain import odds_sentence, policy_paragraph
from fl_client.page.device import Device, KeptSequence, Probe, Reading
from fl_client.page.hints import Hint, Hints
from fl_client.page.timeline import Timeline
from fl_client.page.words import Words
from shared_models.data.labels import scheme_by_name
from shared_models.errors import AttuneError

Light = Literal["recording", "idle", "paused", "off"]

SLOTS = 48
_TOP_LEVEL = 3
Found = TypeVar("Found")


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


@dataclass(frozen=True)
class Picture:
    id: str
    label: str
    at: datetime


@dataclass(frozen=True)
class Upload:
    round: int
    at: datetime
    size: str
    answer: str
    """`released`, `aborted` or `open`."""
    epsilon: str


@dataclass(frozen=True)
class Budget:
    unit: str
    spent: str
    left: str
    cap: str
    share: float
    rounds: int
    rounds_cap: int
    right_now: int
    right_at_cap: int


@dataclass(frozen=True)
class SentView:
    uploads: list[Upload]
    budget: Budget


@dataclass(frozen=True)
class ScopeView:
    name: str
    agreed: bool


@dataclass(frozen=True)
class WholeView:
    """The rest of the page, and what is wrong where a part of it cannot be read."""

    title: str
    controller: str
    contact: str
    device: str
    pictures: list[Picture]
    damaged: int
    """How many sequences cannot be opened."""
    most: int
    stored_problem: str
    sent: SentView | None
    sent_problem: str
    scopes: list[ScopeView]


@dataclass(frozen=True)
class Agreement:
    """What is read before one agrees."""

    text: str
    policy: str
    odds: str
    scopes: list[ScopeView]


class Views:
    """The views of one device, on the words of one language."""

    def __init__(self, device: Device, timeline: Timeline, hints: Hints, words: Words, clock: Callable[[], float]):
        self._device, self._timeline, self._hints = device, timeline, hints
        self._words, self._clock = words, clock

    def live(self) -> LiveView:
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
            hint=self._hints.due(now),
            hints=("on" if self._hints.are_on else "off") if self._hints.offered else "none",
            timeline=self._timeline_view(now) if device.reader else None,
            version=f"{len(device.kept)} {device.sent.version()} {device.consent.current().since}",
        )

    def whole(self) -> WholeView:
        enrolment = self._device.enrolment
        pictures, stored_problem = _or_problem(self._pictures)
        sent, sent_problem = _or_problem(self._sent)
        return WholeView(
            title=enrolment.title,
            controller=enrolment.controller,
            contact=enrolment.contact,
            device=enrolment.pseudonym,
            pictures=pictures or [],
            damaged=0 if pictures is None else max(0, len(self._device.kept) - len(pictures)),
            most=enrolment.policy.max_sequences,
            stored_problem=stored_problem,
            sent=sent,
            sent_problem=sent_problem,
            scopes=self._scopes(),
        )

    def agreement(self) -> Agreement:
        enrolment = self._device.enrolment
        policy = enrolment.policy
        return Agreement(enrolment.consent_text, policy_paragraph(policy), odds_sentence(policy), self._scopes())

    def picture(self, sequence: KeptSequence) -> Picture:
        return Picture(sequence.id, self._words.label(sequence.label), sequence.captured_at.astimezone())

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
        return TimelineView(lanes, _local(began), round((now - began) / 60))

    def _pictures(self) -> list[Picture]:
        """Newest first."""
        return [self.picture(sequence) for sequence in self._device.kept.load_all()][::-1]

    def _sent(self) -> SentView:
        policy, facts = self._device.enrolment.policy, self._device.sent.account()
        cap, size = facts["epsilon_cap"], _kilobytes(self._device.upload_bytes)
        uploads = [self._upload(row, size) for row in reversed(facts["uploads"])]
        budget = Budget(
            unit=policy.unit,
            spent=_rounded(facts["epsilon"], math.ceil),
            left=_rounded(cap - facts["epsilon"], math.floor),
            cap=f"{cap:g}",
            share=min(1.0, facts["epsilon"] / cap),
            rounds=len(uploads),
            rounds_cap=policy.lifetime_rounds,
            right_now=facts["right_in_100_now"],
            right_at_cap=facts["right_in_100_at_cap"],
        )
        return SentView(uploads, budget)

    def _upload(self, row: Mapping[str, Any], size: str) -> Upload:
        at, epsilon = datetime.fromisoformat(row["at"]).astimezone(), row["epsilon_after"]
        return Upload(row["round"], at, size, row["answer"], _rounded(epsilon, math.ceil))

    def _scopes(self) -> list[ScopeView]:
        agreed = self._device.consent.current().scopes
        return [ScopeView(scope.value, scope in agreed) for scope in Scope]


def states_of(classes: Sequence[str]) -> list[str]:
    """The states of a scheme's classes, which may have levels, in order."""
    return list(dict.fromkeys(name.partition(":")[0] for name in classes))


def by_state(reading: Reading) -> dict[str, float]:
    """How strongly each state is read, 0 to 1: its probability, or where it has levels 0 to 3, its expected level
    over 3, so that "not at all" counts nothing."""
    shares = dict.fromkeys(states_of(reading.classes), 0.0)
    for name, probability in zip(reading.classes, reading.probabilities, strict=True):
        state, _, level = name.partition(":")
        shares[state] += float(probability) * (int(level) / _TOP_LEVEL if level else 1)
    return shares


def _or_problem(read: Callable[[], Found]) -> tuple[Found | None, str]:
    """What `read` gives, or the sentence that says why it cannot: a damaged file hides no switch."""
    try:
        return read(), ""
    except AttuneError as error:
        return None, str(error)


def _percent(share: float) -> int:
    return round(100 * share)


def _rounded(epsilon: float, direction: Callable[[float], int]) -> str:
    """To two places, and never in favour of the study."""
    return f"{direction(100 * epsilon) / 100:.2f}"


def _kilobytes(size: int) -> str:
    return f"{size / 1000:.1f}"


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone()
