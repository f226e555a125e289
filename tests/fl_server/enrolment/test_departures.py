import threading

import pytest

from fl_server.enrolment import departures
from fl_server.enrolment.departures import DepartureWatch
from fl_server.enrolment.registry import Registry


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(departures, "_SECONDS", 0.01)


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "enrolment.db")


@pytest.fixture
def devices(registry):
    return [registry.enrol(registry.invite(60)[0], f"n{i}".encode(), f"l{i}".encode()) for i in range(3)]


def test_a_device_taken_out_by_another_process_is_revoked_once(registry, devices, tmp_path):
    gone, heard = [], threading.Event()

    def revoke(some):
        gone.extend(some)
        heard.set()

    registry.leave([devices[0].pseudonym], "withdrawn")  # before: its key was never let in
    with DepartureWatch(registry, revoke):
        for device in devices[1:]:
            Registry(tmp_path / "enrolment.db").leave([device.pseudonym], "removed")
            assert heard.wait(20)
            heard.clear()
        registry.invite(60)  # a change of something else
    assert gone == devices[1:]


def test_a_register_that_cannot_be_read_for_a_moment_is_read_again(registry, devices, monkeypatch):
    read, heard, failures = registry.members, threading.Event(), []
    watch = DepartureWatch(registry, lambda some: heard.set())

    def unreadable():
        if not failures:
            failures.append(1)
            raise departures.sqlite3.OperationalError("disk I/O error")
        return read()

    monkeypatch.setattr(registry, "members", unreadable)
    with watch:
        registry.leave([devices[0].pseudonym], "removed")
        assert heard.wait(20)
    assert failures
