"""What is kept, what was sent and what was agreed to, as the templates place it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from fl_client.consent import Scope
from fl_client.explain import odds_sentence, policy_paragraph
from fl_client.page.device import Device, KeptSequence
from fl_client.page.words import Words
from shared_models.errors import AttuneError

_PSEUDO = "pseudo"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Picture:
    id: str
    label: str
    by_model: bool
    """Whether the label is the model's own reading and nobody's answer."""
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
class RecordsView:
    """All of them, and what is wrong where one cannot be read."""

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


class Records:
    """The records of one device, in the words of one language."""

    def __init__(self, device: Device, words: Words) -> None:
        self._device, self._words = device, words

    def all(self) -> RecordsView:
        enrolment = self._device.enrolment
        stored, stored_problem = _or_problem(self._stored)
        pictures, damaged = stored or ([], 0)
        sent, sent_problem = _or_problem(self._sent)
        return RecordsView(
            title=enrolment.title,
            controller=enrolment.controller,
            contact=enrolment.contact,
            device=enrolment.pseudonym,
            pictures=pictures,
            damaged=damaged,
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
        by_model, at = sequence.source == _PSEUDO, sequence.captured_at.astimezone()
        return Picture(sequence.id, self._words.label(sequence.label), by_model, at)

    def _stored(self) -> tuple[list[Picture], int]:
        """The pictures, newest first, and how many sequences cannot be opened."""
        count = len(self._device.kept)
        pictures = [self.picture(sequence) for sequence in self._device.kept.load_all()][::-1]
        return pictures, max(0, count - len(pictures))

    def _sent(self) -> SentView:
        policy, facts = self._device.enrolment.policy, self._device.sent.account()
        cap, size = facts["epsilon_cap"], _kilobytes(self._device.upload_bytes)
        uploads = [self._upload(row, size) for row in reversed(facts["uploads"])]
        budget = Budget(
            unit=policy.unit,
            spent=_rounded(facts["epsilon"], math.ceil),
            left=_rounded(max(0.0, cap - facts["epsilon"]), math.floor),
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


def _or_problem(read: Callable[[], Found]) -> tuple[Found | None, str]:
    """What `read` gives, or the sentence that says why it cannot: a damaged file hides no switch."""
    try:
        return read(), ""
    except AttuneError as error:
        return None, str(error)


def _rounded(epsilon: float, direction: Callable[[float], int]) -> str:
    """To two places, and never in favour of the study."""
    return f"{direction(100 * epsilon) / 100:.2f}"


def _kilobytes(size: int) -> str:
    return f"{size / 1000:.1f}"
