import pytest

from fl_server.enrolment import limiter
from fl_server.enrolment.limiter import RefusalLimit


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(limiter, "time", clock)
    return clock


def test_an_address_is_shut_out_at_the_limit_and_let_in_again_after_ten_minutes(clock):
    limit = RefusalLimit(most=3)
    assert [limit.refused(f"ipv4:192.0.2.1:{port}") for port in (1, 2, 3)] == [False, False, True]
    assert limit.is_shut_out("ipv4:192.0.2.1:4")
    assert not limit.is_shut_out("ipv4:192.0.2.2:4")
    clock.now += 601
    assert not limit.is_shut_out("ipv4:192.0.2.1:4")
    assert not limit.refused("ipv4:192.0.2.1:4")


def test_one_network_of_the_sixth_version_counts_as_one_address(clock):
    limit = RefusalLimit(most=2)
    for host in ("2001:db8::1", "2001:db8::2"):
        limit.refused(f"ipv6:%5B{host}%5D:50000")
    assert limit.is_shut_out("ipv6:[2001:db8::ffff]:1")
    assert not limit.is_shut_out("ipv6:%5B2001:db8:0:1::1%5D:1")


def test_it_remembers_so_many_addresses_and_no_more(clock):
    limit = RefusalLimit(most=1, addresses=50)
    for host in range(200):
        limit.refused(f"ipv4:192.0.2.{host}:1")
    assert sum(limit.is_shut_out(f"ipv4:192.0.2.{host}:1") for host in range(200)) == 50
    assert limit.is_shut_out("ipv4:192.0.2.199:1")


@pytest.mark.parametrize("peer", ["", "unix:", "ipv6:nonsense:1", "ipv6:%5Bfe80::1%25eth0%5D:1"])
def test_a_peer_of_an_unknown_form_is_limited_too(clock, peer):
    limit = RefusalLimit(most=1)
    limit.refused(peer)
    assert limit.is_shut_out(peer)
