"""The part of a round that devices see: wait for them, draw a cohort, send tasks, take updates in as they come."""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flwr.serverapp import Grid

from fl_server.aggregation import Checker
from fl_server.enrolment.registry import Device
from fl_server.open_round import OpenRound
from fl_server.settings import RoundSettings
from fl_server.state_machine import StateMachine
from fl_server.tasks import Tasks
from shared_models.errors import WireError
from shared_models.networks.model import EmotionModel
from shared_models.privacy.ledger import Entry
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import Receipt
from shared_models.wire import shapes_of

_POLL_SECONDS = 0.25
_NONCE_BYTES = 16
log = logging.getLogger(__name__)

Devices = Mapping[int, Device]
"""Devices by their node id."""


@dataclass(frozen=True)
class Outcome:
    """What came of a round's tasks. `intents` maps pseudonyms to the ledger entry behind their update."""

    asked: int
    intents: Mapping[str, Entry]
    rejected: dict[str, int]

    @property
    def debits(self) -> dict[str, str]:
        """The hash of each of these entries: what the server's ledger names."""
        return {device: intent.hash for device, intent in self.intents.items()}


class Stopped(Exception):  # noqa: N818 - no error
    """The operator asked the server to stop."""


class RoundProtocol:
    """Speaks with devices over Flower's Grid, for one study and one policy."""

    def __init__(
        self,
        study: str,
        policy: Policy,
        settings: RoundSettings,
        receipt_for: Callable[[str], Receipt],
        machine: StateMachine,
        stop: threading.Event,
    ) -> None:
        """receipt_for: what the server has seen of a device's ledger, by pseudonym"""
        self._study, self._policy, self._settings = study, policy, settings
        self._receipt_for, self._machine, self._stop = receipt_for, machine, stop
        self._stragglers: dict[str, tuple[str, int]] = {}

    @property
    def quorum(self) -> int:
        """The fewest devices that a round starts with, and the fewest updates that it counts with."""
        return max(self._settings.min_devices, self._policy.min_survivors)

    def wait_for_devices(
        self, grid: Grid, eligible: Callable[[], Devices], notice: Callable[[str], None]
    ) -> dict[int, Device]:
        """The online devices among `eligible`, by node id, once there are as many as a round needs.

        `notice` hears, whenever it changes, how many there are.
        """
        said = ""
        while True:
            known = eligible()
            online = {node: known[node] for node in grid.get_node_ids() if node in known}
            if len(online) >= self.quorum:
                return online
            text = (
                f"Waiting for devices: a round needs {self.quorum}, {len(online)} are online,"
                f" {len(known)} are enrolled and have budget left"
            )
            if text != said:
                notice(text)
                self._machine.sees(len(online))
                said = text
            self._pause()

    def sample(self, online: Devices) -> dict[str, str]:
        """Nonces for at most a cohort of them, by pseudonym; each device is as likely as any other.

        No privacy is claimed from this choice. It comes from the operating system, so no state of it is kept.
        """
        size = min(self._settings.cohort, len(online))
        chosen = secrets.SystemRandom().sample(sorted(online), size)
        return {online[node].pseudonym: secrets.token_hex(_NONCE_BYTES) for node in sorted(chosen)}

    def collect(self, grid: Grid, model: EmotionModel, opened: OpenRound, known: Callable[[], Devices]) -> Outcome:
        """Asks each device of the round that has not answered, and keeps what comes back and holds.

        Ends when all have answered, when enough have and the rest had their time, or at the deadline. `known` names
        the devices that may take part now: one that has left is not waited for.
        """
        shapes = shapes_of(model.trainable(self._policy.trainable))
        checker = Checker(self._policy, shapes)
        tasks = Tasks(grid, self._study, self._policy, model, opened, self._receipt_for, self._settings)
        rejected = Counter[str]()
        closes = time.monotonic() + self._settings.deadline_seconds
        self._machine.enter(
            "collecting",
            lasts=self._settings.deadline_seconds,
            round=opened.round,
            online=opened.online,
            asked=len(opened.nonces),
        )
        enough_at: float | None = None
        while tasks.pending and time.monotonic() < closes:
            tasks.send(known())
            self._note_stragglers(grid)
            answers = list(tasks.answers())
            for answer in answers:
                try:
                    opened.accept(answer.device, checker.check(answer.content(), answer.expected))
                except WireError as error:
                    rejected[error.reason] += 1
                    log.warning("round %d: device %s rejected: %s", opened.round, answer.device, error.reason)
            self._machine.count(len(opened.intents), rejected)
            if enough_at is None and len(opened.intents) >= self._enough(len(opened.nonces)):
                enough_at = time.monotonic()
                closes = min(closes, enough_at + self._settings.straggler_seconds)
            self._pause(0.0 if answers else _POLL_SECONDS)
        rejected.update(tasks.unanswered())
        self._stragglers = tasks.still_out
        return Outcome(len(opened.nonces), opened.intents, dict(rejected))

    def _enough(self, asked: int) -> int:
        """How many updates a round does not wait long beyond."""
        return max(self.quorum, int(self._settings.close_at * asked))

    def _note_stragglers(self, grid: Grid) -> None:
        """Answers to rounds that have closed are refused: their model is no longer the present one."""
        if not self._stragglers:
            return
        for reply in grid.pull_messages(list(self._stragglers)):
            device, round_ = self._stragglers.pop(reply.metadata.reply_to_message_id, ("", 0))
            if device and not reply.has_error():
                log.warning("round %d: device %s rejected: late", round_, device)

    def _pause(self, seconds: float = _POLL_SECONDS) -> None:
        if self._stop.wait(seconds):
            raise Stopped
