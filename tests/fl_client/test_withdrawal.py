"""What a device that left still says, until it was heard."""

import json
import stat

import pytest

from fl_client.enrolment import accept, read_offer
from fl_client.withdrawal import Withdrawal, tell


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
