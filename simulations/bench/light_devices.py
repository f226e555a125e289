"""Devices without a camera and without training, many to a process, that speak the real protocol.

Keys, signatures, TLS, heartbeats, tasks, journal and updates are those of the client's own code. Only the numbers
of an update are made up: noise of a norm that the server accepts, other bytes for each device.
"""

import heapq
import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Literal, NamedTuple, cast

import torch
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from flwr.app import Message, RecordDict
from torch import Tensor

from fl_client.app import client_app
from fl_client.home import Enrolment, Home, Identity
from fl_client.journal import Journal
from fl_client.node import context_of
from fl_client.participant import Participant
from fl_client.transport import LineDownError, NodeConnection, connect
from shared_models.data.labels import scheme_by_name
from shared_models.errors import AttuneError
from shared_models.networks.registry import build_model
from shared_models.networks.weights import weights_hash
from shared_models.privacy.events import Intent
from shared_models.privacy.gradients import ENGINES
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from shared_models.wire import Task, Update, decode_task, encode_update, shapes_of

_THREADS = 32
_JITTER = 0.7, 1.3  # the client's own, as is the next
_RETRY_JITTER = 0.5, 1.5
_RETRY_SECONDS = 10.0
_WAKE_SECONDS = 0.2
Kind = Literal["connect", "checkin", "task", "push", "failed"]


class Call(NamedTuple):
    """One call of one device. Times are seconds of the machine's monotonic clock, which all processes share."""

    kind: Kind
    due: float
    began: float
    ended: float
    round: int


@dataclass(frozen=True)
class Member:
    """A device as it is handed to a process: its place in the study and its two private keys."""

    number: int
    enrolment: Enrolment
    node_key: bytes
    ledger_key: bytes

    @property
    def identity(self) -> Identity:
        node = cast(ec.EllipticCurvePrivateKey, load_der_private_key(self.node_key, None))
        return Identity(node, Ed25519PrivateKey.from_private_bytes(self.ledger_key))


@dataclass(frozen=True)
class Load:
    """One process's share of the devices, the folder for their journals, and how they pace themselves."""

    members: tuple[Member, ...]
    folder: Path
    poll_seconds: float
    arrival_seconds: float
    """The first connections are spread evenly over this long."""


class PreparedUpdates:
    """Updates of noise: the same numbers in another order for each device, all of a norm that the server accepts."""

    def __init__(self, policy: Policy) -> None:
        model = build_model(policy.model, len(scheme_by_name(policy.scheme).classes))
        self.task_shapes = shapes_of(model.state_dict())
        self._shapes = shapes_of(model.trainable(policy.trainable))
        self._sizes = [int(torch.Size(shape).numel()) for shape in self._shapes.values()]
        noise = torch.randn(sum(self._sizes), generator=torch.Generator().manual_seed(0))
        self._noise = noise * (policy.update_norm_bound(sum(self._sizes)) / 2 / noise.norm())

    def of(self, device: int) -> dict[str, Tensor]:
        pieces = self._noise.roll(device).split(self._sizes)
        return {
            name: piece.reshape(shape).clone()
            for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)
        }


class LightDevice:
    """One enrolled device: connects, asks for tasks, answers each at the policy's reply time, and so on."""

    def __init__(self, member: Member, updates: PreparedUpdates, load: Load) -> None:
        self._member, self._enrolment, self._updates, self._load = member, member.enrolment, updates, load
        self._identity = member.identity
        home = Home(load.folder / self._enrolment.pseudonym)
        home.create()
        ledger = Ledger(home.ledger, self._identity.ledger)
        self._journal = Journal(self._enrolment.policy, ledger, home.outbox, home.erasures)
        self._app = client_app(cast(Participant, self))  # it asks a participant for answers only
        self._random = random.Random(member.number)
        self._open, self._connection = ExitStack(), cast(NodeConnection | None, None)
        self._reply: Message | None = None
        self._round = 0

    def answer(self, record: RecordDict) -> RecordDict:
        """What a participant does with a task, but for the training."""
        task = decode_task(record, self._updates.task_shapes)
        server = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._enrolment.server_key))
        began = self._journal.begin(task, self._enrolment.pseudonym, server)
        self._journal.require_budget()
        self._round = task.round
        return encode_update(self._debit(task, began))

    def step(self, due: float) -> tuple[Call, float]:
        """Makes the one call that is due; gives it, and the time at which the next one is."""
        began = time.monotonic()
        try:
            kind, pause = self._next()
        except AttuneError as error:
            if not isinstance(error, LineDownError):
                self.close()
            kind, pause = "failed", _RETRY_SECONDS * self._random.uniform(*_RETRY_JITTER)
        ended = time.monotonic()
        return Call(kind, due, began, ended, self._round), ended + pause

    def close(self) -> None:
        with suppress(AttuneError):
            self._open.close()
        self._connection = None

    def _next(self) -> tuple[Kind, float]:
        if self._connection is None:
            address, authority = self._enrolment.fleet_address, self._enrolment.ca_pem.encode()
            self._connection = self._open.enter_context(connect(address, authority, self._identity.node))
            return "connect", 0.0
        pause = self._load.poll_seconds * self._random.uniform(*_JITTER)
        if self._reply is not None:
            self._connection.push(self._reply)
            if self._reply.has_content():
                self._journal.released(str(self._reply.content["update"]["nonce"]))
            self._reply = None
            return "push", pause
        task = self._connection.pull()
        if task is None:
            return "checkin", pause
        self._reply = self._app(message=task, context=context_of(task))
        return "task", self._enrolment.policy.reply_seconds

    def _debit(self, task: Task, began: int) -> Update:
        delta = self._updates.of(self._member.number)
        intent = Intent(
            study=task.study,
            device=self._enrolment.pseudonym,
            round=task.round,
            nonce=task.nonce,
            model_hash=task.model_hash,
            policy_hash=task.policy_hash,
            mechanisms=self._enrolment.policy.mechanisms,
            engine=ENGINES[0],
            update_hash=weights_hash(delta),
        )
        return self._journal.debit(intent, delta, began)


def drive(load: Load, stop: Event, results: Connection) -> None:
    """A process's work: drives its devices until `stop`, then sends every call that they made to `results`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_core()
    updates = PreparedUpdates(load.members[0].enrolment.policy)
    devices = [LightDevice(member, updates, load) for member in load.members]
    with ThreadPoolExecutor(_THREADS) as pool:
        calls = _run(devices, load.arrival_seconds, pool, stop.is_set)
        list(pool.map(LightDevice.close, devices))
    with suppress(BrokenPipeError):
        results.send(calls)


def _run(
    devices: Sequence[LightDevice], arrival_seconds: float, pool: ThreadPoolExecutor, stopped: Callable[[], bool]
) -> list[Call]:
    """Each device's next call when it is due; no device makes two at once."""
    start = time.monotonic()
    waiting = [(start + arrival_seconds * n / len(devices), n) for n in range(len(devices))]
    calling: dict[Future[tuple[Call, float]], int] = {}
    calls: list[Call] = []
    while not stopped():
        while waiting and waiting[0][0] <= time.monotonic():
            due, n = heapq.heappop(waiting)
            calling[pool.submit(devices[n].step, due)] = n
        pause = min(_WAKE_SECONDS, max(0.0, waiting[0][0] - time.monotonic()) if waiting else _WAKE_SECONDS)
        if not calling:
            time.sleep(pause)
            continue
        for done in wait(calling, pause, FIRST_COMPLETED).done:
            call, due = done.result()
            calls.append(call)
            heapq.heappush(waiting, (due, calling.pop(done)))
    return calls
