"""The session's readings: short in memory, honest about the time in which nobody was read."""

import pytest

from fl_client.page.timeline import SAMPLE_SECONDS, Timeline


def test_a_session_is_cut_into_equal_parts(timeline):
    for second in range(0, 1200, 5):
        timeline.observe(float(second), True, {"fear": 1.0 if second < 600 else 0.0})
    began, slots = timeline.slots(4, 1200.0)
    assert began == 0
    assert [slot.shares["fear"] for slot in slots] == pytest.approx([1, 1, 0, 0], abs=0.02)


def test_a_part_in_which_nobody_was_read_is_blank(timeline):
    for second in range(0, 1200, 5):
        timeline.observe(float(second), True, None if 300 <= second < 600 else {"fear": 0.5})
    assert [slot.shares is None for slot in timeline.slots(4, 1200.0)[1]] == [False, True, False, False]


def test_a_young_session_does_not_fill_the_line(timeline):
    timeline.observe(100.0, True, {"fear": 0.5})
    assert [slot.shares is None for slot in timeline.slots(4, 160.0)[1]] == [False, True, True, True]


def test_it_holds_one_sample_for_five_seconds_and_at_most_twelve_hours():
    timeline = Timeline()
    for second in range(13 * 3600):
        timeline.observe(float(second), True, None)
    samples = timeline.since(0.0)
    assert len(samples) == 12 * 3600 / SAMPLE_SECONDS
    assert samples[-1].at - samples[0].at <= 12 * 3600


def test_a_clock_that_is_set_back_breaks_nothing(timeline):
    timeline.observe(5000.0, True, {"fear": 0.5})
    timeline.observe(100.0, True, {"fear": 0.5})
    assert timeline.worked(100.0) >= 0
    timeline.slots(4, 100.0)
