"""The tasks of one round on their way: each device is asked once it is there, and again where it went away unheard."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import Error, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fl_server.aggregation import Expected
from fl_server.enrolment.registry import Device
from fl_server.open_round import OpenRound
from fl_server.settings import RoundSettings
from shared_models.errors import RoundError, WireError
from shared_models.networks.model import EmotionModel
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import Receipt
from shared_models.wire import Task, encode_task, pack_weights

_TASKS_AT_A_TIME = 16
_TRIES = 3
_NO_LONGER_VALID, _NODE_UNAVAILABLE = (3, 4), 5  # Flower's codes for errors that it reports itself


@dataclass(frozen=True)
class Answer:
    """A device's reply to its task, not yet believed."""

    expected: Expected
    reply: Message

    @property
    def device(self) -> str:
        return self.expected.device

    def content(self) -> RecordDict:
        """The reply's records. Raises WireError with the one word that a device which could not train answers with."""
        if self.reply.has_error():
            raise WireError(_reason(self.reply.error), "The device could not train")
        return self.reply.content


class Tasks:
    """Whom a round still waits for. A device that lost its task is asked again, with the same nonce."""

    def __init__(
        self,
        grid: Grid,
        study: str,
        policy: Policy,
        model: EmotionModel,
        opened: OpenRound,
        receipt_for: Callable[[str], Receipt],
        settings: RoundSettings,
    ) -> None:
        self._grid, self._study, self._policy = grid, study, policy
        self._opened, self._receipt_for, self._settings = opened, receipt_for, settings
        self._weights = dict(model.state_dict())
        self._packed = pack_weights(self._weights)
        self._unsent = {device: "no_answer" for device in opened.nonces if device not in opened.intents}
        self._out: dict[str, Expected] = {}
        self._tries = Counter[str]()
        self._gone = Counter[str]()

    @property
    def pending(self) -> bool:
        """Whether an answer may still come."""
        return bool(self._unsent or self._out)

    @property
    def still_out(self) -> dict[str, tuple[str, int]]:
        """Device and round of the tasks without an answer, by message id."""
        return {task: (expected.device, expected.round) for task, expected in self._out.items()}

    def send(self, known: Mapping[int, Device]) -> None:
        """Sends tasks to the devices that are there and have none; one that is not in `known` has left."""
        nodes = {device.pseudonym: (node, device) for node, device in known.items()}
        for device in self._unsent.keys() - nodes.keys():
            del self._unsent[device]
            self._gone["left"] += 1
        self._out = {task: expected for task, expected in self._out.items() if self._still_in(expected, nodes)}
        if not self._unsent:
            return
        online = set(self._grid.get_node_ids())
        ready = [nodes[device] for device in self._unsent if nodes[device][0] in online]
        for start in range(0, len(ready), _TASKS_AT_A_TIME):
            self._push(ready[start : start + _TASKS_AT_A_TIME])

    def answers(self) -> Iterator[Answer]:
        """What has come since the last call. A device that went offline unheard is put back to be asked again."""
        for reply in self._grid.pull_messages(list(self._out)) if self._out else ():
            expected = self._out.pop(reply.metadata.reply_to_message_id, None)
            if expected is None:  # a second answer to one task, or an answer to none
                continue
            if reply.has_error() and reply.error.code == _NODE_UNAVAILABLE and self._tries[expected.device] < _TRIES:
                self._unsent[expected.device] = "went_offline"
                continue
            yield Answer(expected, reply)

    def unanswered(self) -> Counter[str]:
        """Why each device that is still waited for is not in the round."""
        return self._gone + Counter(self._unsent.values()) + Counter({"no_answer": len(self._out)})

    def _still_in(self, expected: Expected, nodes: Mapping[str, object]) -> bool:
        if expected.device in nodes:
            return True
        self._gone["left"] += 1
        return False

    def _push(self, devices: list[tuple[int, Device]]) -> None:
        expectations = [self._expected(device) for _, device in devices]
        messages = [self._message(node, e) for (node, _), e in zip(devices, expectations, strict=True)]
        task_ids = list(self._grid.push_messages(messages))
        if not all(task_ids):
            raise RoundError("Flower's transport did not take a task", fix="The server tries again by itself")
        for task_id, expected in zip(task_ids, expectations, strict=True):
            self._out[task_id] = expected
            self._tries[expected.device] += 1
            del self._unsent[expected.device]

    def _expected(self, device: Device) -> Expected:
        return Expected(
            study=self._study,
            device=device.pseudonym,
            ledger_key=Ed25519PublicKey.from_public_bytes(device.ledger_key),
            round=self._opened.round,
            nonce=self._opened.nonces[device.pseudonym],
            model_hash=self._opened.model_hash,
        )

    def _message(self, node: int, expected: Expected) -> Message:
        task = Task(
            study=self._study,
            round=expected.round,
            nonce=expected.nonce,
            model_hash=expected.model_hash,
            policy_hash=self._policy.hash,
            receipt=self._receipt_for(expected.device),
            weights=self._weights,
        )
        return Message(
            content=encode_task(task, self._packed),
            message_type=MessageType.TRAIN,
            dst_node_id=node,
            ttl=self._settings.deadline_seconds,
            group_id=str(expected.round),
        )


def _reason(error: Error) -> str:
    """A word for logs and counts. The device's own text is used only where it is one short word."""
    if error.code == _NODE_UNAVAILABLE:
        return "went_offline"
    if error.code in _NO_LONGER_VALID:
        return "too_late"
    word = error.reason or ""
    return f"device_{word}" if word.isascii() and word.isidentifier() and len(word) <= 32 else "device_error"
