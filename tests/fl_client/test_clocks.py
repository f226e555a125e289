import time

import pytest

from fl_client.clocks import ClockWatch, steady


class Clocks:
    def __init__(self):
        self.steady, self.wall = 500.0, 1.7e9

    def pass_(self, seconds, shown=None):
        self.steady += seconds
        self.wall += seconds if shown is None else shown


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def watch(clocks):
    return ClockWatch(lambda: clocks.steady, lambda: clocks.wall)


def test_while_time_passes_as_it_should_there_is_nothing_to_say(clocks, watch):
    for _ in range(100):
        clocks.pass_(1.2)
        assert watch.look() == []


def test_a_sleep_is_noticed_once(clocks, watch):
    clocks.pass_(7200)
    [said] = watch.look()
    assert said.startswith("This program stood still for 7200 seconds")
    clocks.pass_(1)
    assert watch.look() == []


@pytest.mark.parametrize(("shown", "said"), [(3601, "forward by 3600"), (-899, "back by 900")])
def test_a_clock_that_is_set_is_told_apart_from_a_sleep(clocks, watch, shown, said):
    clocks.pass_(1, shown=shown)
    assert watch.look() == [f"The computer's clock was set {said} seconds"]


def test_a_clock_that_is_set_during_a_sleep_is_both(clocks, watch):
    clocks.pass_(600, shown=4200)
    assert len(watch.look()) == 2


def test_the_steady_clock_never_goes_back_and_counts_seconds():
    before = steady(), time.monotonic()
    while time.monotonic() - before[1] < 0.01:
        pass
    assert steady() - before[0] == pytest.approx(time.monotonic() - before[1], abs=0.01)
