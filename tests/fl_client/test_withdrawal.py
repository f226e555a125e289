"""What a device that left still says, until it was heard."""

import contextlib
import json
import stat
import threading

import pytest

from fl_client.enrolment import accept, read_offer
from fl_client.withdrawal import Withdrawal, tell, tell_until_heard


@pytest.fixture
def joined(port, laptop):
    with port.listening():
        laptop.enrolment = accept(read_offer(port.invite()), laptop.identity)
    return laptop


@pytest.fixture
def kept(joined):
    Withdrawal.signed(joined.enrolment, joined.identity).keep(joined.home)
    return joined


def test_it_is_kept_until_the_server_has_heard(port, kept):
    assert not tell(kept.home)
    assert kept.home.withdrawal.exists()
    with port.listening():
        assert tell(kept.home)
    assert not kept.home.withdrawal.exists()
    assert port.registry.active() == []
    assert [device.pseudonym for device in port.revoked] == [kept.enrolment.pseudonym]
    assert tell(kept.home)


def test_it_can_be_said_twice(port, kept):
    copy = kept.home.withdrawal.read_bytes()
    with port.listening():
        tell(kept.home)
        kept.home.withdrawal.write_bytes(copy)
        assert tell(kept.home)


def test_a_server_that_does_not_know_the_device_has_nothing_to_revoke(port, joined, make_laptop):
    Withdrawal.signed(joined.enrolment, make_laptop(5).identity).keep(joined.home)
    with port.listening():
        assert tell(joined.home)
    assert not joined.home.withdrawal.exists()
    assert len(port.registry.active()) == 1


def test_it_holds_where_to_say_it_and_what_and_nothing_else(kept):
    facts = json.loads(kept.home.withdrawal.read_bytes())
    assert facts.keys() == {"address", "ca_pem", "request"}
    assert stat.S_IMODE(kept.home.withdrawal.stat().st_mode) == 0o600


class Stop(threading.Event):
    """Counts how long it was waited for; nobody waits in truth."""

    def __init__(self):
        super().__init__()
        self.waits, self.then = [], lambda: None

    def wait(self, timeout=None):
        self.waits.append(timeout)
        self.then()
        return self.is_set()


def test_it_is_said_again_and_again_until_it_is_heard(port, kept):
    stop, open_port = Stop(), contextlib.ExitStack()
    stop.then = lambda: len(stop.waits) == 2 and open_port.enter_context(port.listening())
    with open_port:
        assert tell_until_heard(kept.home, 1.0, stop)
    assert len(stop.waits) == 2
    assert port.registry.active() == []


def test_the_times_between_grow_to_ten_minutes(kept, monkeypatch):
    stop, tries = Stop(), []
    monkeypatch.setattr("fl_client.withdrawal.tell", lambda home: tries.append(1) or False)
    stop.then = lambda: len(stop.waits) == 20 and stop.set()
    assert not tell_until_heard(kept.home, 10.0, stop)
    assert 300 <= stop.waits[-1] <= 900
    assert len(tries) == 20


def test_who_stops_it_is_not_held_up(kept):
    stop = threading.Event()
    stop.set()
    assert not tell_until_heard(kept.home, 600.0, stop)
    assert kept.home.withdrawal.exists()
