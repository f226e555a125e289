import pytest

from fl_server.listeners import limits
from fl_server.listeners.limits import BodyMemory, Limits, TokenBuckets


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_burst_is_let_through_and_then_the_rate(clock):
    buckets = TokenBuckets(rate=2.0, burst=4, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0.0] * 4
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now += 3600
    assert [buckets.take("a") > 0 for _ in range(5)] == [False] * 4 + [True]


def test_one_name_s_requests_take_nothing_from_another_s(clock):
    buckets = TokenBuckets(rate=1.0, burst=1, clock=clock)
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0
    assert buckets.take("b") == 0.0


def test_a_refused_request_costs_no_token(clock):
    buckets = TokenBuckets(rate=1.0, burst=1, clock=clock)
    buckets.take("a")
    for _ in range(100):
        buckets.take("a")
    clock.now += 1.0
    assert buckets.take("a") == 0.0


def test_names_are_kept_in_bounded_memory(clock, monkeypatch):
    monkeypatch.setattr(limits, "_MOST_NAMES", 10)
    buckets = TokenBuckets(rate=1.0, burst=1, clock=clock)
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets._full_at) == 10
    assert buckets.take("999") > 0


@pytest.mark.parametrize("rate", [0.01, 1.0, 1e6])
def test_every_rate_lets_a_first_request_through(rate):
    for make in (TokenBuckets.for_devices, TokenBuckets.for_strangers):
        assert make(Limits(requests_per_second=rate, refusals_per_minute=rate)).take("a") == 0.0


def test_one_device_cannot_hold_the_memory_of_all(monkeypatch):
    monkeypatch.setattr(limits, "_BODY_BYTES", 50)
    memory = BodyMemory(max_body=10)
    with memory.hold(b"a", 10) as first, memory.hold(b"a", 10) as second, memory.hold(b"a", 1) as third:
        assert (first, second, third) == (True, True, False)
        with memory.hold(b"b", 10) as other:
            assert other
    with memory.hold(b"a", 10) as again:
        assert again
    assert memory._held == {}


def test_all_devices_together_hold_no_more_than_there_is(monkeypatch):
    monkeypatch.setattr(limits, "_BODY_BYTES", 25)
    memory = BodyMemory(max_body=10)
    with memory.hold(b"a", 10), memory.hold(b"b", 10), memory.hold(b"c", 10) as room, memory.hold(b"d", 5) as little:
        assert not room
        assert little


def test_memory_is_given_back_after_an_error():
    memory = BodyMemory(max_body=10)
    with pytest.raises(RuntimeError), memory.hold(b"a", 10):
        raise RuntimeError
    assert memory._held == {}
