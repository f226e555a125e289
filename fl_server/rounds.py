"""One round: wait for devices, send tasks, take updates in as they come, step, score, and make it count.

waiting -> sampling -> collecting -> aggregating -> evaluating -> checkpointed
                          `-> failed (fewer updates than asked for; the model stays as it was)
"""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import Error, Message, MessageType
from flwr.serverapp import Grid
from torch import Tensor

from fl_server.aggregation import Checker, Expected, StreamingMean
from fl_server.enrolment.registry import Device
from fl_server.settings import RoundSettings
from shared_models.errors import WireError
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import weights_hash
from shared_models.privacy.ledger import Entry
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import Receipt
from shared_models.wire import Task, encode_task, encode_weights, shapes_of

_POLL_SECONDS = 0.25
_NONCE_BYTES = 16
_NO_LONGER_VALID, _NODE_UNAVAILABLE = (3, 4), 5  # Flower's codes for errors that it reports itself
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a round's tasks. `intents` maps pseudonyms to the ledger entry behind their update."""

    asked: int
    intents: dict[str, Entry]
    rejected: dict[str, int]
    mean: StreamingMean

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
        stop: threading.Event,
    ) -> None:
        """receipt_for: what the server has seen of a device's ledger, by pseudonym"""
        self._study, self._policy, self._settings = study, policy, settings
        self._receipt_for, self._stop = receipt_for, stop

    @property
    def quorum(self) -> int:
        """The fewest devices that a round starts with, and the fewest updates that it counts with."""
        return max(self._settings.min_devices, self._policy.min_survivors)

    def wait_for_devices(
        self, grid: Grid, eligible: Callable[[], dict[int, Device]], notice: Callable[[str], None]
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
                said = text
            self._pause()

    def sample(self, online: dict[int, Device]) -> dict[int, Device]:
        """At most a cohort of them, each as likely as any other. No privacy is claimed from this choice."""
        size = min(self._settings.cohort, len(online))
        chosen = secrets.SystemRandom().sample(sorted(online), size)
        return {node: online[node] for node in chosen}

    def collect(self, grid: Grid, model: EmotionModel, round_: int, devices: dict[int, Device]) -> Outcome:
        """Sends each device its task and adds up what comes back and holds, until all answered or the deadline."""
        shapes = shapes_of(model.trainable(self._policy.trainable))
        checker, mean = Checker(self._policy, shapes), StreamingMean(shapes)
        open_tasks = self._send(grid, model, round_, devices)
        asked, intents, rejected = len(open_tasks), dict[str, Entry](), Counter[str]()
        deadline = time.monotonic() + self._settings.deadline_seconds
        while open_tasks and time.monotonic() < deadline:
            for reply in grid.pull_messages(list(open_tasks)):
                expected = open_tasks.pop(reply.metadata.reply_to_message_id, None)
                if expected is None:  # a second answer to one task, or an answer to none
                    continue
                try:
                    update = checker.check(_content(reply), expected)
                except WireError as error:
                    rejected[error.reason] += 1
                    log.warning("round %d: device %s rejected: %s", round_, expected.device, error.reason)
                    continue
                mean.add(update.delta)
                intents[expected.device] = update.intent
            self._pause()
        if open_tasks:
            rejected["no_answer"] += len(open_tasks)
        return Outcome(asked, intents, dict(rejected), mean)

    def _send(self, grid: Grid, model: EmotionModel, round_: int, devices: dict[int, Device]) -> dict[str, Expected]:
        """Pushes one task a device; what is expected back, by message id."""
        weights = dict(model.state_dict())
        model_hash = weights_hash(weights)
        expectations = {
            node: Expected(
                study=self._study,
                device=device.pseudonym,
                ledger_key=Ed25519PublicKey.from_public_bytes(device.ledger_key),
                round=round_,
                nonce=secrets.token_hex(_NONCE_BYTES),
                model_hash=model_hash,
            )
            for node, device in devices.items()
        }
        encoded = encode_weights(weights)  # once: Flower stores and hashes one object, whatever the cohort
        messages = [
            Message(
                content=encode_task(self._task(expected, weights), encoded),
                message_type=MessageType.TRAIN,
                dst_node_id=node,
                ttl=self._settings.deadline_seconds,
                group_id=str(round_),
            )
            for node, expected in expectations.items()
        ]
        return dict(zip(_pushed(grid.push_messages(messages)), expectations.values(), strict=True))

    def _task(self, expected: Expected, weights: dict[str, Tensor]) -> Task:
        return Task(
            study=self._study,
            round=expected.round,
            nonce=expected.nonce,
            model_hash=expected.model_hash,
            policy_hash=self._policy.hash,
            receipt=self._receipt_for(expected.device),
            weights=weights,
        )

    def _pause(self) -> None:
        if self._stop.wait(_POLL_SECONDS):
            raise Stopped


def _pushed(message_ids: Iterable[str]) -> list[str]:
    ids = list(message_ids)
    if not all(ids):
        raise RuntimeError("the SuperLink did not take a task")
    return ids


def _content(reply: Message):  # type: ignore[no-untyped-def]
    """The reply's records; a device that could not train answers with one word, which is the reason."""
    if reply.has_error():
        raise WireError(_error_reason(reply.error), "The device could not train")
    return reply.content


def _error_reason(error: Error) -> str:
    """A word for logs and counts. The device's own text is used only where it is one short word."""
    if error.code == _NODE_UNAVAILABLE:
        return "went_offline"
    if error.code in _NO_LONGER_VALID:
        return "too_late"
    word = error.reason or ""
    return f"device_{word}" if word.isascii() and word.isidentifier() and len(word) <= 32 else "device_error"
