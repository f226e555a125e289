"""The supervisor with real threads; its waits are the test's."""

import threading

import pytest

from fl_client import supervisor as module
from fl_client.supervisor import Supervisor, Worker
from shared_models.errors import (
    AddressError,
    CameraError,
    ConsentError,
    EnrolmentError,
    KeyStoreError,
    LedgerError,
    PolicyError,
    SettingsError,
    StorageError,
)

UNPLUGGED = CameraError("Camera 0 stopped", why="it was unplugged", fix="Plug it in again")


class Stop(threading.Event):
    """A stop event on which nobody waits for real: it notes how long they would have."""

    def __init__(self, most=100):
        super().__init__()
        self.waits, self.most = [], most

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if len(self.waits) >= self.most:
            self.set()
        return self.is_set()


class Script:
    """A worker's runs, one after the other: an error is raised, anything else is called; after the last one it ends."""

    def __init__(self, *runs):
        self.runs, self.begun = list(runs), 0

    def run(self, stop):
        self.begun += 1
        if self.runs:
            what = self.runs.pop(0)
            if isinstance(what, BaseException):
                raise what
            what()


@pytest.fixture
def stop():
    return Stop()


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervise(stop, said):
    """`supervise(script, ...)`: one worker until it ends; the supervisor."""

    def supervise(script, **options):
        supervisor = Supervisor([Worker("eye", script.run, **options)], stop, said.append)
        supervisor.start()
        supervisor.join()
        return supervisor

    return supervise


def test_a_worker_that_is_done_is_not_begun_again(supervise, stop):
    script = Script()
    supervisor = supervise(script)
    assert (script.begun, supervisor.states["eye"].state, supervisor.failure) == (1, "ended", None)
    assert not stop.is_set()


@pytest.mark.parametrize(
    "error", [UNPLUGGED, AddressError("nobody answers"), StorageError("the disk is full"), RuntimeError("a bug")]
)
def test_what_may_pass_is_tried_again(supervise, error):
    script = Script(error, error)
    supervisor = supervise(script)
    assert (script.begun, supervisor.failure) == (3, None)
    assert supervisor.states["eye"].again == 2


@pytest.mark.parametrize("kind", [ConsentError, EnrolmentError, KeyStoreError, LedgerError, PolicyError, SettingsError])
def test_what_only_a_person_can_change_ends_everything(supervise, stop, kind):
    script = Script(kind("it is over"))
    supervisor = supervise(script)
    assert (script.begun, str(supervisor.failure)) == (1, "it is over.")
    assert stop.is_set()
    assert (supervisor.states["eye"].state, supervisor.states["eye"].why) == ("failed", "it is over.")


def test_a_worker_that_is_not_retried_ends_everything_at_its_first_failure(supervise, stop):
    assert supervise(Script(UNPLUGGED), retried=False).failure is UNPLUGGED
    assert stop.is_set()


def test_the_times_between_grow_to_a_minute_and_differ_from_device_to_device(supervise, stop):
    supervise(Script(*[UNPLUGGED] * 12))
    for i, wait in enumerate(stop.waits):
        longest = min(60, 2**i)
        assert 0.5 * longest <= wait <= 1.5 * longest
    assert len(stop.waits) == 12
    assert len({wait / min(60, 2**i) for i, wait in enumerate(stop.waits)}) > 6


def test_after_a_minute_of_work_they_are_short_again(supervise, stop, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module, "steady", lambda: now[0])

    def work():
        now[0] += 61
        raise UNPLUGGED

    supervise(Script(*[UNPLUGGED] * 6, work))
    assert stop.waits[5] > 15
    assert stop.waits[6] <= 1.5


def test_it_says_what_it_waits_for_once_and_how_it_is(supervise, said, caplog):
    supervisor = supervise(Script(*[UNPLUGGED] * 5))
    assert said == [f"{UNPLUGGED} This program tries again by itself."]
    assert caplog.text.count("Camera 0 stopped") == 1
    assert supervisor.states["eye"].why == ""


def test_while_it_waits_the_state_says_why(stop, said):
    supervisor = Supervisor([Worker("eye", Script(UNPLUGGED).run)], stop, said.append)
    seen = []
    stop.wait = lambda seconds: seen.append(supervisor.states["eye"])
    supervisor.start()
    supervisor.join()
    assert [(state.state, state.why) for state in seen] == [("waits", str(UNPLUGGED))]


def test_a_bug_that_comes_back_each_time_does_not_pass(supervise, caplog):
    script = Script(*[RuntimeError("a bug")] * 9)
    supervisor = supervise(script)
    assert (script.begun, str(supervisor.failure)) == (5, "a bug")
    assert "client.log" in supervisor.states["eye"].why
    assert caplog.text.count("something unexpected happened") == 4


def test_no_library_ends_a_worker_by_leaving(supervise):
    assert supervise(Script(SystemExit(3))).states["eye"].again == 1


def test_one_that_fails_for_good_ends_the_others(stop, said):
    def until_stopped(event):
        threading.Event.wait(event)

    workers = [Worker("ear", until_stopped), Worker("eye", Script(LedgerError("an old copy")).run)]
    supervisor = Supervisor(workers, stop, said.append)
    supervisor.start()
    supervisor.join()
    assert supervisor.states["ear"].state == "ended"


def test_only_a_worker_of_low_priority_gives_way(stop, said, monkeypatch):
    gave_way = []
    monkeypatch.setattr(module, "give_way", lambda: gave_way.append(threading.current_thread().name))
    workers = [Worker("node", Script().run, low_priority=True), Worker("eye", Script().run)]
    supervisor = Supervisor(workers, stop, said.append)
    supervisor.start()
    supervisor.join()
    assert gave_way == ["node"]
