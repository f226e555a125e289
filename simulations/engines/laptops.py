"""Simulated laptops: the product's own ClientApp, Participant, Journal and Ledger, in a folder that is thrown away.

A laptop is made when its first task comes, so that there is one for each device that took part, not for each that
could have. Its key follows from its number: it protects nobody, and every process that serves the device has it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Context, Message
from torch import Tensor

from fl_client.app import client_app
from fl_client.consent import ConsentBook, Scope, State
from fl_client.home import Enrolment, Home
from fl_client.journal import Journal
from fl_client.participant import Participant
from fl_client.settings import Limits
from fl_server.enrolment.registry import Device
from shared_models.data.sequences import Sequences
from shared_models.errors import UsageError
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from shared_models.wire import Task
from simulations.engines.kept import Kept
from simulations.engines.local import KEPT_BYTES

_NODE = "partition-id"  # Flower's name for a simulated node's number


@dataclass(frozen=True)
class Laptops:
    """All laptops of one simulated federation. It travels to whatever process serves one of them."""

    root: Path
    study: str
    policy: Policy
    server_key: str
    """The server's Ed25519 key, 32 bytes in hex."""
    gradients: str
    seed: int
    silent: bool
    """Whether noise is drawn as nothing but zeros."""

    def registered(self, number: int) -> Device:
        """Laptop `number` as the server's registry has it."""
        return Device(_pseudonym(number), b"", _ledger_key(number).public_key().public_bytes_raw())

    def fill(self, number: int, data: Sequences) -> None:
        """Puts the sequences of laptop `number` where it finds them, unless they are there.

        Raises UsageError where a target is not one class: a device stores one label a sequence.
        """
        path = self._data(number)
        if path.exists():
            return
        if not (data.targets.max(1) == 1).all():
            raise UsageError(
                "The flower engine cannot train on soft labels",
                why="its devices are the product's own, which store one label for each sequence",
                fix="Use `--engine local`, or data with one label for each sequence",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = data.take(range(min(len(data), self.policy.max_sequences)))
        np.savez(path, frames=kept.frames, labels=kept.labels)

    def __call__(self, message: Message, context: Context) -> Message:
        """What the ClientApp of the node's laptop answers."""
        use_one_core()
        return client_app(self._participant(int(context.node_config[_NODE])))(message=message, context=context)

    def _participant(self, number: int) -> Participant:
        home, key = Home(self.root / _pseudonym(number)), _ledger_key(number)
        home.create()
        enrolment = Enrolment(
            study=self.study,
            title=self.study,
            controller="nobody",
            contact="nobody",
            purpose="research simulation",
            consent_text="",
            pseudonym=_pseudonym(number),
            fleet_address="",
            ca_pem="",
            server_key=self.server_key,
            ledger_key=key.public_key().public_bytes_raw().hex(),
            policy=self.policy,
        )
        return Participant(
            enrolment,
            _NoLimits(),
            _agreed(home, enrolment),
            _Store(self._data(number)),
            Journal(self.policy, Ledger(home.ledger, key), home.outbox, home.erasures),
            engine_by_name(self.gradients),
            lambda task: self._noise(task, number),
        )

    def _noise(self, task: Task, number: int) -> NoiseSource:
        key = self.seed, task.round, number
        return _Silence.from_seed(*key) if self.silent else NoiseSource.from_seed(*key)

    def _data(self, number: int) -> Path:
        return self.root / "data" / f"{_pseudonym(number)}.npz"


class _NoLimits(Limits):
    """A laptop without an owner takes part in whatever is simulated."""

    def check(self, policy: Policy) -> None:
        pass


class _Silence(NoiseSource):
    """Draws as ever, so that who takes part in a step stays the same, and makes zeros of the noise."""

    def normal(self, shape: Sequence[int]) -> Tensor:
        return super().normal(shape).zero_()


@dataclass(frozen=True)
class _Stored:
    id: str
    frames: np.ndarray
    label_index: int
    source: str = "script"


class _Shelf:
    """Features of the frozen stages, kept for all laptops that one process serves."""

    def __init__(self) -> None:
        self._kept = Kept[tuple[str, str], np.ndarray](KEPT_BYTES)

    def get(self, name: str, version: str) -> np.ndarray | None:
        return self._kept.get((name, version))

    def put(self, name: str, version: str, features: np.ndarray) -> None:
        self._kept.put((name, version), features, features.nbytes)


_shelf = _Shelf()


@dataclass(frozen=True)
class _Store:
    """What `Laptops.fill` put at `path`."""

    path: Path
    shelf: _Shelf = _shelf

    def load_all(self) -> Iterator[_Stored]:
        with np.load(self.path) as data:
            rows = zip(data["frames"], data["labels"], strict=True)
        for row, (frames, label) in enumerate(rows):
            yield _Stored(f"{self.path}-{row}", frames, int(label))


def _agreed(home: Home, enrolment: Enrolment) -> ConsentBook:
    consent = ConsentBook(home.root)
    if consent.current().state is not State.ACTIVE:
        consent.inform(enrolment.text_hash, enrolment.policy.hash)
        consent.grant([Scope.TRAIN], enrolment.text_hash, enrolment.policy.hash)
    return consent


def _pseudonym(number: int) -> str:
    return f"{number:08x}"


def _ledger_key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"laptop {number}".encode()).digest())
