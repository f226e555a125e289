"""What the page needs of the program around it. The daemon gives the real ones, a test its own."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from fl_client.consent import ConsentBook, State
from fl_client.home import Enrolment
from shared_models.errors import DataError
from shared_models.evaluation.explanation import Explanation


@dataclass(frozen=True)
class Doing:
    """What the device does at this moment. `camera` and `training` say it in words."""

    looking: bool
    """Whether frames of the camera are looked at."""
    camera: str
    training: str


class Reading(Protocol):
    """What the model reads: a probability for each class of the study's scheme, (K,), and how sure it is in a word."""

    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def probabilities(self) -> Sequence[float] | np.ndarray: ...
    @property
    def sure(self) -> str: ...


class Reader(Protocol):
    @property
    def state(self) -> str:
        """`reading`, or why nothing can be read."""

    def reading(self) -> Reading | None:
        """The newest reading; None while nothing is known."""


class Explained(Protocol):
    """What the model looked at in one window: of which classes, and the strip of its frames as PNG."""

    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def explanation(self) -> Explanation: ...
    @property
    def picture(self) -> bytes: ...


class Explainer(Protocol):
    def explain(self) -> Explained | None:
        """Of the last window; None where none was read just now. Raises ModelError where there are no weights."""


class Probe(Protocol):
    """One question that waits for an answer."""

    @property
    def id(self) -> str: ...
    @property
    def shown_at(self) -> datetime: ...
    @property
    def choices(self) -> Sequence[str]: ...


class Prober(Protocol):
    def pending(self) -> Probe | None:
        """The question that waits, if one does."""

    def answer(self, probe_id: str, label: str) -> None:
        """Raises DataError where it does not wait any more."""

    def skip(self, probe_id: str) -> None:
        """Raises DataError where it does not wait any more."""


class KeptSequence(Protocol):
    """One stored sequence, frames (T, 1, H, W) uint8."""

    @property
    def id(self) -> str: ...
    @property
    def frames(self) -> np.ndarray: ...
    @property
    def label(self) -> str: ...
    @property
    def source(self) -> str:
        """Who gave the label: `probe`, `script`, or `pseudo` for the model itself."""

    @property
    def captured_at(self) -> datetime: ...


class Kept(Protocol):
    """What is stored on this device."""

    def __len__(self) -> int: ...

    def load_all(self) -> Iterator[KeptSequence]:
        """Every sequence, oldest first."""

    def delete(self, ids: Iterable[str]) -> None: ...

    def delete_all(self) -> None: ...


class Sent(Protocol):
    """What left this device."""

    def version(self) -> object:
        """Another value for each state of the ledger; cheap to ask for."""

    def account(self) -> dict[str, Any]:
        """As `fl_client.account.account`."""


@dataclass(frozen=True)
class Device:
    """`reader`, `explainer` and `prober` are None where the device has none; `no_reader` is a sentence that says why it
    has none of the first two."""

    enrolment: Enrolment
    consent: ConsentBook
    doing: Callable[[], Doing]
    kept: Kept
    sent: Sent
    upload_bytes: int
    withdraw: Callable[[], None]
    turn_off: Callable[[], None]
    reader: Reader | None = None
    explainer: Explainer | None = None
    prober: Prober | None = None
    no_reader: str = ""

    def is_looking(self) -> bool:
        """Whether the camera's frames are looked at now: what the recording light says."""
        return self.may_look and self.doing().looking

    @property
    def may_look(self) -> bool:
        return self.consent.current().allows_keeping(self.enrolment.policy.hash)

    def agree_to(self, scopes: Collection[str]) -> None:
        """Puts `scopes` in the place of what was agreed to before. A pause goes on.

        Raises ConsentError for no scope, and where another text or policy was shown since this page began.
        """
        paused = self.consent.current().state is State.PAUSED
        self.consent.grant(scopes, self.enrolment.text_hash, self.enrolment.policy.hash)
        if paused:
            self.consent.pause()


def sequence_called(sequence_id: str, kept: Kept) -> KeptSequence:
    """Raises DataError where there is none, or none any more."""
    for sequence in kept.load_all():
        if sequence.id == sequence_id:
            return sequence
    raise DataError("There is no such sequence on this device", why="it was deleted, or never kept")
