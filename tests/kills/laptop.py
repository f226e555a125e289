"""The real `fl-client run` with a camera, and `fl-client data delete` beside it, dying where they are told to."""

import hashlib
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import RecordDict

import fl_client.daemon  # noqa: F401 - is here before the fork, so that a start does not wait for it
from fl_client import cli
from fl_client.home import Home, load_enrolment
from fl_client.participant import Participant
from fl_client.store import Store
from tests.kills.device import keep_answer, shapes_of_updates
from tests.kills.probe import Doom, Probe


def film_and_take_part(place: Path, camera: Path, labels: Path, notes: Path, doom: Doom) -> None:
    """Captures and answers tasks until it is killed. `notes` get its answers, and a line for all that is stored."""
    home = Home(place)
    Probe(home.root, notes.with_suffix(".trace"), doom, lambda path: None).install()
    _witness_answers(home, notes)
    _witness_store(notes / "stored")
    sys.argv = ["fl-client", "run", "--home", str(place), "--camera", str(camera), "--labels", str(labels)]
    cli.run()


def delete(place: Path, ids: list[str], notes: Path, doom: Doom) -> None:
    """As a student deletes, beside the running program."""
    Probe(place, notes.with_suffix(".trace"), doom, lambda path: None).install()
    sys.argv = ["fl-client", "data", "delete", *ids, "--home", str(place)]
    cli.run()


def digest(frames: np.ndarray) -> str:
    return hashlib.sha256(frames.tobytes()).hexdigest()


def _witness_answers(home: Home, notes: Path) -> None:
    real, shapes = Participant.answer, shapes_of_updates(load_enrolment(home).policy)

    def answer(participant: Participant, record: RecordDict) -> RecordDict:
        return keep_answer(real(participant, record), shapes, notes)

    Participant.answer = answer  # type: ignore[method-assign]


def _witness_store(path: Path) -> None:
    """Before an addition a line `adding DIGEST`, after it `added ID`: what is written survives a kill."""
    file, real = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), Store.add

    def note(line: str) -> None:
        os.write(file, f"{line}\n".encode())

    def add(store: Store, frames: np.ndarray, *facts: Any, **more: datetime) -> str:
        note(f"adding {digest(frames)}")
        sequence_id = real(store, frames, *facts, **more)
        note(f"added {sequence_id}")
        return sequence_id

    Store.add = add  # type: ignore[method-assign, assignment]
