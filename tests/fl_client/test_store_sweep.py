"""How long sequences are kept, on computers whose clock is right, wrong, or was off for long."""

import logging
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fl_client import store as store_module
from fl_client.janitor import Janitor
from fl_client.store import Store
from fl_client.store_clock import StoreClock, day_of, moved_on

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2031, 3, 1, 12, tzinfo=UTC)
KEEP = 30


class MemoryVault(dict):
    def create(self, name):
        self[name] = bytes([len(self)]) * 32
        return self[name]

    key = dict.__getitem__

    def destroy(self, name):
        self.pop(name, None)


class Laptop:
    """A store on a computer whose clock says `now`."""

    def __init__(self, folder):
        self.now = START
        self.store = Store(folder, MemoryVault())

    def capture(self):
        return self.store.add(np.zeros((1, 1, 2, 2), np.uint8), 0, "neutral", "tap", self.now)

    def run(self, time, keep_days=KEEP):
        """So long with a sweep at the start and every hour, as the janitor sweeps; gives how many were deleted."""
        deleted = self.sweep(keep_days)
        for _ in range(time // HOUR):
            self.now += HOUR
            deleted += self.sweep(keep_days)
        return deleted

    def sweep(self, keep_days=KEEP):
        return self.store.sweep(keep_days, self.now).deleted


@pytest.fixture
def laptop(tmp_path, monkeypatch, quick_disk):
    laptop = Laptop(tmp_path / "store")

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return laptop.now

    monkeypatch.setattr(store_module, "datetime", Clock)
    with laptop.store:
        yield laptop


def test_what_was_kept_for_longer_than_the_days_is_deleted_and_nothing_else(laptop):
    old = laptop.capture()
    assert laptop.run(10 * DAY) == 0
    young = laptop.capture()
    assert laptop.run(20 * DAY) == 0
    assert laptop.run(13 * HOUR) == 1
    assert [one.id for one in laptop.store.load_all()] == [young]
    assert old not in laptop.store


def test_a_shorter_time_counts_from_the_next_sweep(laptop):
    laptop.capture()
    laptop.run(3 * DAY)
    assert laptop.run(HOUR, keep_days=2) == 1


def test_a_clock_a_year_ahead_deletes_nothing_for_a_day_and_nothing_once_it_is_right_again(laptop):
    for _ in range(3):
        laptop.capture()
        laptop.run(DAY)
    laptop.now += 365 * DAY
    assert laptop.run(23 * HOUR) == 0
    laptop.now -= 365 * DAY
    assert laptop.run(3 * DAY) == 0
    assert len(laptop.store) == 3


def test_restarts_do_not_make_days_pass(laptop):
    laptop.capture()
    laptop.sweep()
    laptop.now += 365 * DAY
    assert sum(laptop.sweep() for _ in range(100)) == 0


def test_after_months_switched_off_what_is_too_old_goes_within_days_and_what_is_new_stays(laptop):
    laptop.capture()
    laptop.sweep()
    laptop.now += 90 * DAY
    new = laptop.capture()
    assert laptop.run(90 * HOUR) == 1
    assert [one.id for one in laptop.store.load_all()] == [new]
    assert laptop.run(25 * DAY) == 0, "though the store's clock ran faster until it had caught up"
    assert laptop.run(3 * DAY) == 1


@pytest.mark.parametrize("years", [-40, 5])
def test_what_was_captured_under_a_wrong_clock_is_kept_as_long_as_everything_else(laptop, years):
    laptop.sweep()
    laptop.now += 365 * years * DAY
    laptop.capture()
    laptop.run(2 * HOUR)
    laptop.now -= 365 * years * DAY
    assert laptop.run((KEEP - 1) * DAY) == 0
    assert laptop.run(5 * DAY) == 1


def test_a_new_store_on_a_computer_that_lives_in_1970_loses_nothing_at_once_when_the_clock_is_set(laptop):
    laptop.now = datetime(1970, 1, 1, tzinfo=UTC)
    laptop.capture()
    laptop.sweep()
    laptop.now = START
    assert laptop.run(DAY) == 0


def test_the_clock_never_goes_back_nor_past_the_computer_s():
    clock = StoreClock(100, 0)
    assert moved_on(clock, datetime(1970, 1, 5, tzinfo=UTC)).day == 100
    now = datetime(1970, 4, 12, 1, tzinfo=UTC)
    assert (day_of(now), moved_on(clock, now).day, moved_on(moved_on(clock, now), now + HOUR).day) == (101, 101, 101)


def test_the_janitor_sweeps_at_the_start_and_every_hour_until_it_is_stopped(laptop, caplog):
    caplog.set_level(logging.INFO)
    laptop.capture()
    laptop.sweep()
    waited = []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            waited.append(timeout)
            laptop.now += 12 * HOUR
            if len(waited) == 80:
                self.set()
            return self.is_set()

    Janitor(laptop.store, KEEP, lambda: laptop.now).run(Stop())
    assert (len(laptop.store), set(waited)) == (0, {3600.0})
    assert [record.getMessage() for record in caplog.records] == [
        "deleted 1 sequences that were kept for more than 30 days"
    ]


def test_the_janitor_says_when_the_date_has_jumped(laptop, caplog):
    laptop.sweep()
    laptop.now += 365 * DAY
    Janitor(laptop.store, KEEP, lambda: laptop.now).sweep()
    assert "the date is 364 days ahead of the store's" in caplog.text
