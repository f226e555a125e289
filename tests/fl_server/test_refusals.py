import json
import threading

import pytest

from fl_server import refusals as module
from fl_server.refusals import REASONS, Refusals
from shared_models.files import disk_full


@pytest.fixture
def timers(monkeypatch):
    """Timers that fire only when a test says so: `timers[0].function()`."""
    started = []

    class Timer:
        daemon = False

        def __init__(self, seconds, function):
            self.seconds, self.function, self.cancelled = seconds, function, False

        def start(self):
            started.append(self)

        def cancel(self):
            self.cancelled = True

    monkeypatch.setattr(module.threading, "Timer", Timer)
    return started


def test_counts_begin_at_zero_with_each_start(folder, timers):
    with Refusals(folder) as refusals:
        refusals.count("rate")
    assert Refusals.read(folder) == {"rate": 1}
    Refusals(folder)
    assert Refusals.read(folder) == {}


def test_the_file_is_written_once_in_a_second_however_many_come(folder, timers):
    refusals = Refusals(folder)
    for _ in range(1000):
        refusals.count("path")
    assert [timer.seconds for timer in timers] == [1.0]
    assert Refusals.read(folder) == {}
    timers[0].function()
    assert Refusals.read(folder) == {"path": 1000}
    refusals.count("path")
    assert len(timers) == 2


def test_closing_writes_what_is_left(folder, timers):
    with Refusals(folder) as refusals:
        refusals.count("key")
    assert timers[0].cancelled
    assert timers[0].daemon
    assert Refusals.read(folder) == {"key": 1}


def test_several_threads_lose_nothing(folder):
    with Refusals(folder) as refusals:
        threads = [threading.Thread(target=lambda: [refusals.count("rate") for _ in range(500)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert Refusals.read(folder) == {"rate": 4000}


def test_reasons_are_bounded(folder, timers):
    with Refusals(folder) as refusals:
        for number in range(100):
            refusals.count(f"/home/canary/{number}")
    assert Refusals.read(folder) == {"other": 100}
    assert "canary" not in folder.refusals.read_text()
    assert all(REASONS.values())


def test_the_largest_count_comes_first_and_unknown_names_are_left_out(folder):
    folder.refusals.write_text(json.dumps({"rate": 2, "canary": 9, "path": 5, "slow": 0}))
    assert list(Refusals.read(folder).items()) == [("path", 5), ("rate", 2)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"path": "many"}', b'{"path": [1]}'])
def test_a_damaged_file_counts_nothing(folder, content):
    folder.refusals.write_bytes(content)
    assert Refusals.read(folder) == {}


def test_a_full_disk_stops_nobody_who_counts(folder, timers, monkeypatch, caplog):
    refusals = Refusals(folder)
    refusals.count("rate")

    def full(path, data):
        raise disk_full(path)

    monkeypatch.setattr(module, "atomic_write", full)
    timers[0].function()
    assert "could not be written" in caplog.text
    monkeypatch.undo()
    refusals.close()
    assert Refusals.read(folder) == {"rate": 1}
