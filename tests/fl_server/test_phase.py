import errno
import os
import subprocess
import sys
from typing import get_args

import pytest

from fl_server import phase as module
from fl_server.phase import Phase, State, duration
from shared_models.files import disk_full


@pytest.fixture
def phase():
    def phase(state="collecting", **changes):
        counts = {"round": 4, "since": 1000.0, "online": 12, "asked": 10, "accepted": 3, "pid": os.getpid()}
        return Phase(state=state, **(counts | changes))

    return phase


def test_what_was_written_is_read_back(folder, phase):
    assert Phase.read(folder) is None
    written = phase(deadline=1120.5, rejected={"norm": 1})
    written.write(folder)
    assert Phase.read(folder) == written


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"state": "dancing", "round": 1, "since": 0, "pid": 1}'])
def test_a_file_of_another_version_is_no_state(folder, content):
    folder.phase.write_bytes(content)
    assert Phase.read(folder) is None


def test_a_full_disk_stops_nothing_and_leaves_the_old_state(folder, phase, monkeypatch, caplog):
    phase("waiting").write(folder)

    def full(path, data):
        raise disk_full(path) from OSError(errno.ENOSPC, "")

    monkeypatch.setattr(module, "atomic_write", full)
    phase("sampling").write(folder)
    assert Phase.read(folder).state == "waiting"
    assert "the state sampling could not be written" in caplog.text


def test_every_state_has_a_sentence_with_its_round(phase):
    sentences = {state: phase(state).sentence() for state in get_args(State)}
    assert len(set(sentences.values())) == len(sentences)
    assert all("ound 4" in sentence for sentence in sentences.values())
    assert sentences["collecting"] == "Round 4 is collecting: updates from 3 of 10 devices are in"
    assert sentences["waiting"] == "Round 4 waits for devices: 12 online"


def test_a_pause_says_why(phase):
    assert phase("paused", why="The disk is full.").sentence() == "Round 4 is paused: The disk is full"


@pytest.mark.parametrize("state", get_args(State))
def test_whoever_writes_the_sentence_chooses_how_devices_are_counted(phase, state):
    sentence = phase(state, round=0).sentence(lambda count: "some")
    assert not {"12", "10", "3"} & set(sentence.replace(":", "").split())


def test_a_process_that_is_gone_is_not_running(phase):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert phase().may_be_running
    assert not phase(pid=gone.pid).may_be_running


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3660, "1 h 1 min"), (90000, "1 d 1 h")],
)
def test_a_duration_has_two_units(seconds, words):
    assert duration(seconds) == words
