"""What a privacy ledger records. A kind is never removed and never changes its meaning; an unknown one fails closed.

A device's task goes `intent -> released | aborted`. The intent is the debit: it is on disk before anything leaves the
device, and it counts whatever comes after it. `erase` and `withdraw` record what its owner did; they refund nothing.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared_models.privacy.accounting import Spend, epsilon_of
from shared_models.privacy.mechanism import Mechanism, Unit


class Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Intent(Event):
    """Privacy spent by a device for one task. It holds what the policy and the task say, and nothing of its data."""

    kind: Literal["intent"] = "intent"
    study: str
    device: str
    round: int
    nonce: str
    model_hash: str
    policy_hash: str
    mechanisms: Annotated[tuple[Mechanism, ...], Field(min_length=1)]
    engine: str
    update_hash: str


class Released(Event):
    """The server has confirmed the update of the intent with this nonce."""

    kind: Literal["released"] = "released"
    nonce: str


class Aborted(Event):
    """The update of the intent with this nonce was never confirmed, and its bytes are gone. The intent stands."""

    kind: Literal["aborted"] = "aborted"
    nonce: str


class Erased(Event):
    """The owner deleted stored sequences. How many is private."""

    kind: Literal["erase"] = "erase"


class Withdrawn(Event):
    """The owner left the study: nothing comes after it."""

    kind: Literal["withdraw"] = "withdraw"


class RoundClosed(Event):
    """A round of the server's: which model became which, by whose updates. `debits` are hashes of devices' entries."""

    kind: Literal["round"] = "round"
    study: str
    round: int
    policy_hash: str
    model_before: str
    model_after: str
    debits: dict[str, str]
    rejected: dict[str, int]


class RoundVoid(Event):
    """A round whose checkpoint was never completed; its devices' debits stand."""

    kind: Literal["round_void"] = "round_void"
    round: int


class ModelRestored(Event):
    """The operator went back: the round after `round` starts from the model of `to_round`. It refunds nothing.

    `round` is the last number that is in use. It is greater than that of the last round in the ledger only where a
    backup was put back and rounds after it are lost.
    """

    kind: Literal["restore"] = "restore"
    study: str
    round: int
    to_round: int
    model_hash: str


AnyEvent = Annotated[
    Intent | Released | Aborted | Erased | Withdrawn | RoundClosed | RoundVoid | ModelRestored,
    Field(discriminator="kind"),
]


def spends_of(intents: Iterable[Intent], unit: Unit) -> list[Spend]:
    """What a device has spent of `unit`, in order: what accounting composes."""
    return [mechanism.spend for intent in intents for mechanism in intent.mechanisms if mechanism.unit == unit]


def spent_epsilon(intents: Iterable[Intent], unit: Unit, delta: float) -> float:
    """The epsilon of one `unit` at `delta`, recomputed from every intent of its device."""
    return epsilon_of(spends_of(intents, unit), delta)
