"""When a hint comes, when it does not, and that it can be switched off for good."""

import pytest

from fl_client.page.hints import Hints

MINUTE = 60
CALM, BORED = {"boredom": 0.1, "engagement": 0.6}, {"boredom": 0.6, "engagement": 0.1}


@pytest.fixture
def spend(timeline, clock):
    """`spend(10, CALM)`: so many minutes at work that are read like this; None for minutes away."""

    def spend(minutes, shares):
        for _ in range(minutes * 12):
            timeline.observe(clock(), shares is not None, shares)
            clock.now += 5

    return spend


def test_after_fifty_minutes_at_work(hints, spend, clock):
    spend(49, CALM)
    assert hints.due(clock()) is None
    spend(1, CALM)
    assert hints.due(clock()) == "work"


def test_a_break_of_five_minutes_begins_the_count_again(hints, spend, clock):
    spend(49, CALM)
    spend(6, None)
    spend(45, CALM)
    assert hints.due(clock()) is None
    spend(5, CALM)
    assert hints.due(clock()) == "work"


def test_a_look_away_is_no_break(hints, spend, clock):
    spend(30, CALM)
    spend(4, None)
    spend(16, CALM)
    assert hints.due(clock()) == "work"


def test_during_a_break_there_is_none(hints, spend, clock):
    spend(60, CALM)
    spend(6, None)
    assert hints.due(clock()) is None


@pytest.mark.parametrize(("bored", "calm", "due"), [(6, 4, "low"), (5, 5, None), (9, 0, None), (10, 0, "low")])
def test_after_ten_minutes_of_mostly_boredom(hints, spend, clock, bored, calm, due):
    spend(calm, CALM)
    spend(bored, BORED)
    assert hints.due(clock()) == due


def test_not_now_is_half_an_hour_of_quiet(hints, spend, clock):
    spend(60, CALM)
    hints.later(clock())
    spend(29, CALM)
    assert hints.due(clock()) is None
    spend(2, CALM)
    assert hints.due(clock()) == "work"


def test_off_is_off_after_a_restart_too(hints, spend, clock, timeline, tmp_path):
    spend(60, CALM)
    hints.turn(on=False)
    assert hints.due(clock()) is None
    assert not Hints(timeline, tmp_path / "no-hints").are_on
    hints.turn(on=True)
    assert hints.due(clock()) == "work"


def test_the_settings_can_offer_none(timeline, spend, clock, tmp_path):
    hints = Hints(timeline, tmp_path / "no-hints", offered=False)
    spend(60, CALM)
    assert not hints.are_on
    assert hints.due(clock()) is None
