import psutil
import pytest

from fl_client.conditions.load import OthersLoad, Spent, others_idle, read_spent


class Machine:
    """Two cores whose time passes where the test says so."""

    def __init__(self):
        self.spent = Spent(1000.0, 300.0, 20.0)

    def passes(self, seconds, others=0.0, own=0.0):
        """others, own: cores that they keep busy"""
        total, busy, mine = self.spent
        self.spent = Spent(total + 2 * seconds, busy + seconds * (others + own), mine + seconds * own)

    def __call__(self):
        return self.spent


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def load(machine):
    return OthersLoad(machine, cores=2)


def test_only_what_other_programs_use_counts(machine, load):
    machine.passes(5, others=0.5, own=1.0)
    assert load() == pytest.approx(25.0)


def test_too_soon_after_the_start_it_has_seen_nothing(machine, load):
    machine.passes(0.5, others=2.0)
    assert load() == 0.0
    machine.passes(0.5, others=2.0)
    assert load() == pytest.approx(100.0)


def test_it_is_the_load_of_the_last_ten_seconds(machine, load):
    machine.passes(3600, others=2.0)
    load()
    for _ in range(20):
        machine.passes(0.5, others=0.0)
        last = load()
    assert last == pytest.approx(0.0)


def test_a_short_burst_is_no_load(machine, load):
    for _ in range(10):
        machine.passes(1, others=0.0)
        load()
    machine.passes(1, others=2.0)
    assert load() == pytest.approx(100 / 11, rel=0.1)


def test_what_it_keeps_does_not_grow(machine, load):
    for _ in range(1000):
        machine.passes(1)
        load()
    assert len(load._seen) < 15


def test_it_reads_this_computer():
    spent = read_spent()
    assert spent.total > spent.busy > spent.own > 0
    assert spent.total - spent.busy == pytest.approx(psutil.cpu_times().idle + psutil.cpu_times().iowait, rel=0.1)


def test_training_waits_above_the_limit():
    assert others_idle(50).judge(50.0) == ""
    assert others_idle(50).judge(71.8) == "other programs use 72 % of the processor"
    assert others_idle(100).judge(100.0) == ""
