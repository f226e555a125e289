"""A small study: its policy, its devices with their sequences, and the tasks that it sends them."""

import contextlib
import os
import secrets
import shutil
import signal
import sqlite3
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import platformdirs
import pytest
import torch
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from fl_client.consent import ConsentBook
from fl_client.home import Enrolment, Home, Identity
from fl_client.journal import Journal
from fl_client.participant import Participant
from fl_client.settings import Limits
from fl_server.certificates import ca_fingerprint, create_identity, load_signing_key
from fl_server.enrolment.limiter import RefusalLimit
from fl_server.enrolment.listener import renewing_credentials, start_enrolment
from fl_server.enrolment.registry import Device, Registry
from fl_server.enrolment.service import EnrolmentService
from fl_server.enrolment.terms import describe
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from fl_server.setup import create_federation
from fl_server.transport import Transport
from shared_models import commandline
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.invitation import Invitation
from shared_models.networks.model import EmotionModel
from shared_models.networks.onnx_export import Exported, export_onnx
from shared_models.networks.registry import build_model
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import weights_hash
from shared_models.privacy.calibration import calibrated
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import Receipt, sign_receipt
from shared_models.wire import Task, encode_task

torch.set_num_threads(1)
STUDY = "seminar"
SERVER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DEVICE = "00000000"


@dataclass(frozen=True)
class StoredSequence:
    id: str
    frames: np.ndarray
    label_index: int
    source: str = "script"


class MemoryStore:
    """Sequences of random pixels."""

    def __init__(self, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.sequences = [
            StoredSequence(f"{seed}-{i}", rng.integers(0, 256, (4, 1, 48, 48), dtype=np.uint8), i % 7)
            for i in range(count)
        ]

    shelf = None

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

    def participant(self, **options: Any) -> Participant:
        """As a fresh start of the program makes it."""
        engine = engine_by_name("fast")
        return Participant(self.enrolment, self.limits, self.consent, self.store, self.journal(), engine, **options)

    def journal(self) -> Journal:
        return Journal(self.enrolment.policy, self.ledger(), self.home.outbox, self.home.erasures)

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


POLICY: dict[str, Any] = {
    "epsilon": 8.0,
    "delta": 1e-5,
    "participations": 3,
    "steps": 2,
    "model": "cnn-lstm",
    "scheme": "basic-7",
    "trainable": "classifier",
    "clip_norm": 0.5,
    "q": 1.0,
    "views": 1,
    "min_survivors": 2,
    "colluders": 1,
    "min_rounds_between": 0,
    "denominator": 40,
    "max_sequences": 4,
    "learning_rate": 1.0,
    "momentum": 0.0,
    "reply_seconds": 0.0,
}


@pytest.fixture(scope="session")
def make_policy() -> Callable[..., Policy]:
    """`make_policy(steps=3)`: a small study's policy, with what is changed and its noise calibrated anew."""
    return lambda **changes: calibrated(**(POLICY | changes))


@pytest.fixture(scope="session")
def policy(make_policy: Callable[..., Policy]) -> Policy:
    return make_policy()


def _documented_commands(program: str) -> dict[str, list[str]]:
    """The arguments and options of each command of `program`, from its table in docs/commands.md."""
    text = (Path(__file__).parents[1] / "docs" / "commands.md").read_text(encoding="utf-8")
    [chapter] = [part for part in text.split("\n## ") if part.startswith(f"`{program}`")]
    commands: dict[str, list[str]] = {}
    for row in chapter.splitlines():
        if not row.startswith("| ") or row.startswith(("| command", "| ---")):
            continue
        command, option, _, meaning = (cell.strip() for cell in row.strip("|").split("|"))
        if command:
            words = command.strip("`").split()
            name = " ".join(word for word in words if word.islower())
            commands[name] = [word for word in words if word.isupper()]
        else:
            commands[name].append(option.strip("`"))
        assert meaning
    return commands


@pytest.fixture
def check_documentation() -> Callable[[str, typer.Typer], None]:
    """Fails where a command or option has no help or example, or is not in docs/commands.md, or no longer exists."""

    def check(program: str, app: typer.Typer) -> None:
        commands = dict(_flat(typer.main.get_command(app).commands))
        assert {name: _names(command) for name, command in commands.items()} == _documented_commands(program)
        for name, command in commands.items():
            assert command.help
            assert command.epilog.startswith(f"Example: {program} {name}")
            assert all(parameter.help for parameter in command.params if parameter.name != "help")

    return check


def _flat(commands: dict[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in commands.items():
        inner = getattr(command, "commands", None)
        yield from [(group + name, command)] if inner is None else _flat(inner, f"{group}{name} ")


def _names(command: Any) -> list[str]:
    """Arguments in capitals, then options by their long name."""
    arguments = [p.name.rstrip("_").upper() for p in command.params if p.param_type_name == "argument"]
    return arguments + [p.opts[-1] for p in command.params if p.param_type_name == "option"]


@pytest.fixture
def leave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """`leave(run, "status", ...)`: runs a program with these arguments and gives its exit code."""
    monkeypatch.setattr(platformdirs, "user_state_dir", lambda name: str(tmp_path / "state"))
    monkeypatch.setattr(commandline, "log_to", lambda path: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def leave(run: Callable[[], NoReturn], *arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["attune", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            run()
        return int(left.value.code or 0)

    return leave


class _QuickConnection(sqlite3.Connection):
    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return super().execute("PRAGMA synchronous = OFF" if "synchronous" in statement else statement, *values)


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written as always but not waited for: no test survives a power cut anyway."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_QuickConnection))


@pytest.fixture
def inside_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower makes a message only where it knows in whose name."""
    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


@pytest.fixture
def model() -> EmotionModel:
    torch.manual_seed(5)
    return build_model("cnn-lstm", 7).eval()


@pytest.fixture(scope="session")
def starter() -> tuple[EmotionModel, Exported]:
    """The starter weights, and what is exported of them."""
    model, header, _ = initial_model("starter", "cnn-lstm", "basic-7", (16, 1, 48, 48))
    return model, export_onnx(model, header)


@pytest.fixture(scope="session")
def ca_pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The certificate of a study's authority."""
    folder = FederationFolder(tmp_path_factory.mktemp("authority"))
    folder.create()
    create_identity(folder, STUDY, "127.0.0.1")
    return folder.ca_certificate.read_text()


@pytest.fixture
def enrolment_facts(policy: Policy, ca_pem: str) -> dict[str, Any]:
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
        "enrolment_address": "127.0.0.1:1",
        "ca_pem": ca_pem,
        "server_key": SERVER_KEY.public_key().public_bytes_raw().hex(),
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


@pytest.fixture(scope="session")
def server_key() -> Ed25519PrivateKey:
    """What the study's server signs with."""
    return SERVER_KEY


@pytest.fixture(scope="session")
def make_receipt() -> Callable[..., Receipt]:
    """The server's receipt for an entry of a device's ledger, of the first device and for none where not given."""
    return lambda entry="", device=DEVICE: sign_receipt(SERVER_KEY, STUDY, device, entry)


@pytest.fixture
def make_task(policy: Policy, model: EmotionModel, make_receipt: Callable[..., Receipt]) -> Callable[..., Task]:
    def make(round_: int = 1, nonce: str = "", **changed: Any) -> Task:
        weights = dict(model.state_dict())
        facts = {
            "study": STUDY,
            "round": round_,
            "nonce": nonce or secrets.token_hex(16),
            "model_hash": weights_hash(weights),
            "policy_hash": policy.hash,
            "receipt": make_receipt(),
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
    address: str
    loopback_address: str
    refusals: Counter[str]
    """Why requests were refused."""
    task: tuple[int, int, int]
    """Flower's task, run and node id of the run in progress."""

    @property
    def ca_pem(self) -> bytes:
        return self.folder.ca_certificate.read_bytes()

    def admit(self, identity: Identity) -> int:
        """The node id of a device that is let in."""
        node_key = identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        [node] = self.transport.admit({node_key: "0a1b2c3d"})
        return node

    def send(self, node: int, content: RecordDict | None = None, ttl: float = 60) -> str:
        """Sends a task to `node`; gives the task's id."""
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = self.task
        content = content or RecordDict({"task": ConfigRecord({"nonce": secrets.token_hex(16)})})
        task = Message(content=content, message_type="train", dst_node_id=node, ttl=ttl, group_id="1")
        [task_id] = self.grid.push_messages([task])
        return task_id

    def replies(self, *task_ids: str) -> dict[str, Message]:
        """What has arrived, by task."""
        return {reply.metadata.reply_to_message_id: reply for reply in self.grid.pull_messages(list(task_ids))}


@contextlib.contextmanager
def _running_fleet(folder: FederationFolder) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
            refusals = Counter[str]()
            transport = Transport(
                folder, "127.0.0.1", 0, max_body=1 << 20, count=lambda reason: refusals.update([reason])
            )
            stack.callback(transport.close)
            transport.start()
            session = stack.enter_context(transport.session())
        address = f"127.0.0.1:{transport._public.getsockname()[1]}"
        task = TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id
        loopback = f"127.0.0.1:{transport.loopback_port}"
        yield Fleet(folder, transport, session.grid, address, loopback, refusals, task)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One for the whole test run: it takes two seconds to start."""
    root = tmp_path_factory.mktemp("fleet") / "study"
    create_federation(root, {})
    with _running_fleet(FederationFolder(root)) as fleet:
        yield fleet


@pytest.fixture
def start_fleet() -> Callable[[FederationFolder], contextlib.AbstractContextManager[Fleet]]:
    """`with start_fleet(folder) as fleet:` one of its own for a test that stops it."""
    return _running_fleet


@dataclass
class EnrolmentPort:
    """The real enrolment service of a new federation. `admitted` and `revoked` are what its transport was told."""

    folder: FederationFolder
    registry: Registry
    terms: messages.Terms
    admitted: list[Device] = field(default_factory=list)
    revoked: list[Device] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{load_settings(self.folder.settings).server.enrolment_port}"

    @property
    def service(self) -> EnrolmentService:
        """A limit of its own each time, far beyond what a test is refused."""
        return EnrolmentService(
            self.registry,
            self.terms,
            load_signing_key(self.folder),
            "127.0.0.1:1",
            self.admitted.extend,
            self.revoked.extend,
            RefusalLimit(most=10_000),
        )

    @contextlib.contextmanager
    def listening(
        self, service: EnrolmentService | None = None, folder: FederationFolder | None = None, **settings: Any
    ) -> Iterator[None]:
        """folder: whose certificate is shown, where not the federation's own; settings: entries of `[server]`"""
        server = start_enrolment(
            service or self.service,
            load_settings(self.folder.settings).server.model_copy(update=settings),
            renewing_credentials(folder or self.folder),
        )
        try:
            yield
        finally:
            server.stop(None).wait()

    def invite(self, **changed: Any) -> Invitation:
        secret, expires = self.registry.invite(3600)
        facts = {
            "address": self.address,
            "ca_sha256": ca_fingerprint(self.folder),
            "secret": secret.hex(),
            "expires": expires,
        }
        return Invitation.model_validate(facts | changed)


@pytest.fixture
def port(folder: FederationFolder) -> EnrolmentPort:
    settings = load_settings(folder.settings)
    terms = describe(settings, settings.privacy_policy(), load_signing_key(folder))
    return EnrolmentPort(folder, Registry(folder.enrolment), terms)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's browser. For one module at a time: while it is open, no other event loop runs in this thread."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
