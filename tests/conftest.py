"""A small study: its policy, its devices with their sequences, and the tasks that it sends them."""

import contextlib
import os
import secrets
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from fl_client.consent import ConsentBook
from fl_client.home import Enrolment, Home, Identity
from fl_client.participant import Participant
from fl_client.settings import Limits
from fl_server.enrolment.registry import Device
from fl_server.folder import FederationFolder
from fl_server.setup import create_federation
from fl_server.transport import Transport
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.networks.weights import weights_hash
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.policy import Policy, calibrated
from shared_models.wire import Task, encode_task

torch.set_num_threads(1)
STUDY = "seminar"


@dataclass(frozen=True)
class StoredSequence:
    id: str
    frames: np.ndarray
    label_index: int


class MemoryStore:
    """Sequences of random pixels; counts how many were read."""

    def __init__(self, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.sequences = [
            StoredSequence(f"{seed}-{i}", rng.integers(0, 256, (4, 1, 48, 48), dtype=np.uint8), i % 7)
            for i in range(count)
        ]

    def load_all(self):
        yield from self.sequences


@dataclass
class Laptop:
    """One enrolled device: everything that a restart of its program finds again."""

    home: Home
    enrolment: Enrolment
    identity: Identity
    consent: ConsentBook
    store: MemoryStore
    limits: Limits = field(default_factory=Limits)

    def participant(self) -> Participant:
        """As a fresh start of the program makes it."""
        return Participant(self.enrolment, self.limits, self.consent, self.store, self.ledger(), self.home.outbox)

    def ledger(self) -> Ledger:
        return Ledger(self.home.ledger, self.identity.ledger)

    def agree(self, *scopes: str) -> None:
        facts = self.enrolment.text_hash, self.enrolment.policy.hash
        self.consent.inform(*facts)
        self.consent.grant(scopes or ["capture", "store", "train"], *facts)

    @property
    def registered(self) -> Device:
        """This device as the server's registry has it."""
        node_key = self.identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Device(self.enrolment.pseudonym, node_key, self.identity.ledger.public_key().public_bytes_raw())


@pytest.fixture(scope="session")
def policy() -> Policy:
    return calibrated(
        epsilon=8.0,
        delta=1e-5,
        participations=3,
        steps=2,
        model="cnn-lstm",
        scheme="basic-7",
        trainable="classifier",
        clip_norm=0.5,
        denominator=40,
        max_sequences=4,
        learning_rate=1.0,
        momentum=0.0,
        reply_seconds=0.0,
    )


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written as always but not waited for: no test survives a power cut anyway."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def inside_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower makes a message only where it knows in whose name."""
    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


@pytest.fixture
def model() -> EmotionModel:
    torch.manual_seed(5)
    return build_model("cnn-lstm", 7).eval()


@pytest.fixture
def enrolment_facts(policy: Policy) -> dict[str, Any]:
    """The fields of an Enrolment; nobody listens at its address."""
    return {
        "study": STUDY,
        "title": "Emotions in online seminars",
        "controller": "University of Examples",
        "contact": "dpo@example.org",
        "purpose": "research simulation",
        "consent_text": "This is what you agree to.",
        "pseudonym": "0a1b2c3d",
        "fleet_address": "127.0.0.1:1",
        "ca_pem": "",
        "server_key": Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex(),
        "ledger_key": "",
        "policy": policy,
    }


@pytest.fixture
def make_laptop(tmp_path: Path, enrolment_facts: dict[str, Any]) -> Callable[..., Laptop]:
    """`make_laptop(number, sequences)`: an enrolled device that has agreed to everything."""

    def make(number: int = 0, sequences: int = 3, agreed: bool = True, **changed: Any) -> Laptop:
        home, identity = Home(tmp_path / f"laptop-{number}"), Identity.generate()
        home.create()
        facts = enrolment_facts | {
            "pseudonym": f"{number:08x}",
            "ledger_key": identity.ledger.public_key().public_bytes_raw().hex(),
        }
        laptop = Laptop(
            home,
            Enrolment.model_validate(facts | changed),
            identity,
            ConsentBook(home.root),
            MemoryStore(sequences, number),
        )
        if agreed:
            laptop.agree()
        return laptop

    return make


@pytest.fixture
def laptop(make_laptop: Callable[..., Laptop]) -> Laptop:
    return make_laptop()


@pytest.fixture
def make_task(policy: Policy, model: EmotionModel) -> Callable[..., Task]:
    def make(round_: int = 1, nonce: str = "", **changed: Any) -> Task:
        weights = dict(model.state_dict())
        facts = {
            "study": STUDY,
            "round": round_,
            "nonce": nonce or secrets.token_hex(16),
            "model_hash": weights_hash(weights),
            "policy_hash": policy.hash,
            "weights": weights,
        }
        return Task(**(facts | changed))

    return make


@pytest.fixture
def task_record(make_task: Callable[..., Task]) -> Callable[..., Any]:
    """A task as it arrives."""
    return lambda *args, **changed: encode_task(make_task(*args, **changed))


@pytest.fixture
def folder(tmp_path: Path) -> FederationFolder:
    """A new federation's folder, as `fl-server init` leaves it."""
    create_federation(tmp_path / "study", {})
    return FederationFolder(tmp_path / "study")


@dataclass
class Fleet:
    """A real transport that listens on this machine, with a run in progress."""

    folder: FederationFolder
    transport: Transport
    grid: Grid

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.transport._public.getsockname()[1]}"

    @property
    def loopback_address(self) -> str:
        return self.transport._loopback_address

    @property
    def ca_pem(self) -> bytes:
        return self.folder.ca_certificate.read_bytes()

    def admit(self, identity: Identity) -> int:
        """The node id of a device that is let in."""
        node_key = identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        [node] = self.transport.admit([node_key])
        return node

    def send(self, node: int, content: RecordDict | None = None) -> str:
        """Sends a task to `node`; gives the task's id."""
        content = content or RecordDict({"task": ConfigRecord({"nonce": secrets.token_hex(16)})})
        task = Message(content=content, message_type="train", dst_node_id=node, ttl=60, group_id="1")
        [task_id] = self.grid.push_messages([task])
        return task_id

    def replies(self, *task_ids: str) -> dict[str, Message]:
        """What has arrived, by task."""
        return {reply.metadata.reply_to_message_id: reply for reply in self.grid.pull_messages(list(task_ids))}


@contextlib.contextmanager
def start_fleet(folder: FederationFolder) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
            transport = Transport(folder, "127.0.0.1", 0, max_body=1 << 20)
            stack.callback(transport.close)
            transport.start()
            session = stack.enter_context(transport.session())
        yield Fleet(folder, transport, session.grid)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One for the whole test run: it takes two seconds to start."""
    root = tmp_path_factory.mktemp("fleet") / "study"
    create_federation(root, {})
    with start_fleet(FederationFolder(root)) as fleet:
        yield fleet
