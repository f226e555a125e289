"""A run that was stopped or killed anywhere ends in the weights of one that was not."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fl_server.pretraining import Stopped, checkpoint
from fl_server.pretraining.checkpoint import Journal
from shared_models.data.sequences import Sequences
from shared_models.errors import CheckpointError
from shared_models.networks.weights import weights_hash


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.checkpoint"


@pytest.fixture(scope="module")
def data(bars: Callable[..., Sequences]) -> Sequences:
    return bars(10, 2, seed=1)


def stops_after(calls: int) -> Callable[[], bool]:
    counter = itertools.count(1)
    return lambda: next(counter) >= calls


STOPS = {
    "after the first step": [1],
    "in the middle of an epoch": [4],
    "after the encoder's last step": [6],
    "while features are computed": [7],
    "between the stages": [8],
    "in the second stage": [11],
    "in the first stage, then while features are computed": [4, 3],
    "three times": [2, 6, 4],
}


@pytest.mark.parametrize("stops", STOPS.values(), ids=STOPS)
def test_a_stopped_run_ends_in_the_same_weights(data, trained, path: Path, stops: list[int]) -> None:
    """Each number is how many steps, or views of features, one process gets through."""
    whole = trained(data)
    for calls in stops:
        with pytest.raises(Stopped):
            trained(data, journal=Journal(path, "a run", stops_after(calls)))
    resumed = trained(data, journal=Journal(path, "a run"))
    assert weights_hash(resumed.model.state_dict()) == weights_hash(whole.model.state_dict())
    assert len(resumed.progress) < len(whole.progress)


def test_the_state_is_written_again_and_again(data, trained, path: Path, monkeypatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(Journal, "write", lambda journal, state: written.append(state["fit"] and state["fit"]["step"]))
    trained(data, journal=Journal(path, "a run"))
    assert written == [1, 2, 3, 4, 5, 6, None, None, None, 1, 2, 3, 4, 5, 6]


def test_a_kill_in_the_middle_of_a_write_leaves_the_checkpoint_before(path: Path, monkeypatch) -> None:
    journal = Journal(path, "a run")
    journal.write({"stage": "encoder", "fit": None})

    def fails(*nothing: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(KeyboardInterrupt):
        journal.write({"stage": "temporal", "fit": None})
    assert Journal(path, "a run").read() == {"stage": "encoder", "fit": None}
    assert list(path.parent.iterdir()) == [path]


def test_another_runs_checkpoint_is_refused(path: Path) -> None:
    Journal(path, "a run").write({"stage": "encoder"})
    with pytest.raises(CheckpointError, match="other data, another model, recipe or seed"):
        Journal(path, "another run").read()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing of this kind"])
def test_a_damaged_checkpoint_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        Journal(path, "a run").read()


def test_time_spent_adds_up_over_processes(path: Path) -> None:
    first = Journal(path, "a run")
    first.write({"stage": "encoder"})
    kept = torch.load(path, weights_only=True)
    torch.save(kept | {"spent": (100.0, 70.0)}, path)
    second = Journal(path, "a run")
    second.read()
    wall, cpu = second.spent()
    assert 100 <= wall < 400
    assert 70 <= cpu < 400


_PROGRAM = """
from fl_server import cli
from shared_models.data import splits
splits._PUBLIC_PER_CLASS = 2
cli.run()
"""


@pytest.mark.e2e
def test_a_process_that_is_told_to_stop_says_so_and_goes_on_with_the_same_command(tmp_path: Path) -> None:
    from fl_server.settings import parse_entries
    from fl_server.setup import create_federation

    create_federation(tmp_path / "study", parse_entries([]))
    out = tmp_path / "model.safetensors"
    command = [sys.executable, "-c", _PROGRAM, "pretrain", str(tmp_path / "study"), "--out", str(out)]
    command += ["--set", "frame_epochs=40", "--set", "sequence_epochs=1", "--set", "views=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "encoder: " in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        said, told = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, "")
    assert told.endswith("Stopped. The same command goes on from here.\n")
    assert torch.load(out.with_suffix(".checkpoint"), weights_only=True)["state"]["fit"]["step"] > 0
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert "Trained in " in ended.stdout
    assert out.exists()
