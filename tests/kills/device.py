"""A device without a camera: everything that `fl-client run` makes for the network side, and sequences of noise."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flwr.app import RecordDict
from safetensors.torch import save_file

from fl_client import cli
from fl_client.app import client_app
from fl_client.clerk import Clerk
from fl_client.conditions.consent import consented
from fl_client.conditions.gate import Gate
from fl_client.consent import ConsentBook
from fl_client.home import Home, Identity, load_enrolment
from fl_client.journal import open_journal
from fl_client.keys import open_vault
from fl_client.node import NodeLoop
from fl_client.participant import Participant
from fl_client.settings import load_settings
from shared_models import commandline
from shared_models.data.labels import scheme_by_name
from shared_models.files import only_one
from shared_models.networks.registry import build_model
from shared_models.networks.weights import weights_hash
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.policy import Policy
from shared_models.wire import Shapes, decode_update, shapes_of
from tests.kills.probe import Doom, Probe

_SEQUENCES = 3


@dataclass(frozen=True)
class Sequence:
    id: str
    frames: np.ndarray
    label_index: int
    source: str = "script"


class MemoryStore:
    """A few sequences of random pixels, the same after each restart."""

    shelf = None

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._sequences = [
            Sequence(f"{seed}-{i}", rng.integers(0, 256, (4, 1, 48, 48), dtype=np.uint8), i) for i in range(_SEQUENCES)
        ]

    def load_all(self) -> Iterator[Sequence]:
        yield from self._sequences


class Witness:
    """Notes every answer of a participant before anyone else has it, by its nonce and the hash of its bytes."""

    def __init__(self, participant: Participant, shapes: Shapes, notes: Path) -> None:
        self._participant, self._shapes, self._notes = participant, shapes, notes

    def answer(self, record: RecordDict) -> RecordDict:
        return keep_answer(self._participant.answer(record), self._shapes, self._notes)


def keep_answer(answer: RecordDict, shapes: Shapes, notes: Path) -> RecordDict:
    update = decode_update(answer, shapes)
    draft = notes / f".{update.nonce}"
    save_file(update.delta, draft)
    draft.rename(notes / f"{update.nonce}-{weights_hash(update.delta)}.safetensors")
    return answer


def enrol(home: Path, invitation: str) -> None:
    """As a student enrols."""
    _call("enrol", invitation, "--home", str(home), "--yes")


def agree(home: Path, scopes: str) -> None:
    _call("consent", "--home", str(home), "--scopes", scopes, "--yes")


def take_part(number: int, place: Path, notes: Path, doom: Doom) -> None:
    """Pulls and answers tasks until it is killed."""
    home = Home(place)
    Probe(home.root, notes.with_suffix(".trace"), doom, lambda path: None).install()
    vault, enrolment = open_vault(home.root), load_enrolment(home)
    commandline.log_to(home.log)
    settings, consent = load_settings(home.settings), ConsentBook(home.root)
    with only_one(home.lock, f"The device in {home.root}"):
        identity = Identity.load(home, vault)
        journal = open_journal(home, vault, enrolment, identity)
        engine, stop = engine_by_name(settings.training.engine), threading.Event()
        gate = Gate([consented(consent, enrolment.policy.hash)])
        participant = Participant(enrolment, settings.limits, consent, MemoryStore(number), journal, engine)
        app = client_app(Witness(participant, shapes_of_updates(enrolment.policy), notes))  # type: ignore[arg-type]
        clerk = Clerk(home, enrolment, identity, journal, settings.limits)
        threading.Thread(target=_or_end, args=(lambda: clerk.run(stop),), daemon=True).start()
        NodeLoop(enrolment, identity.node, journal, app, consent, gate, settings.node, lambda state: None).run(stop)


def _or_end(work: Callable[[], None]) -> None:
    """What goes wrong in a thread ends the process, as it ends the real daemon."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def shapes_of_updates(policy: Policy) -> Shapes:
    model = build_model(policy.model, len(scheme_by_name(policy.scheme).classes))
    return shapes_of(model.trainable(policy.trainable))


def _call(*arguments: str) -> None:
    sys.argv = ["fl-client", *arguments]
    cli.run()
