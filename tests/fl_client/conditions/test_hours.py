from datetime import time

import pytest

from fl_client.conditions.hours import in_hours


@pytest.mark.parametrize(
    ("hours", "moment", "allowed"),
    [
        ("", "00:00", True),
        ("09:00-17:00", "08:59:59", False),
        ("09:00-17:00", "09:00", True),
        ("09:00-17:00", "16:59:59", True),
        ("09:00-17:00", "17:00", False),
        ("22:00-06:30", "21:59", False),
        ("22:00-06:30", "22:00", True),
        ("22:00-06:30", "00:00", True),
        ("22:00-06:30", "06:29", True),
        ("22:00-06:30", "06:30", False),
        ("08:00-08:00", "12:00", True),
        ("08:00-08:00", "07:59", True),
    ],
)
def test_hours_go_over_midnight_where_they_end_before_they_begin(hours, moment, allowed):
    condition = in_hours(hours, lambda: time.fromisoformat(moment))
    assert (condition.judge(condition.read()) == "") is allowed


def test_outside_of_them_it_says_which_they_are():
    assert in_hours("22:00-06:30").judge(time(12)) == "you allow training from 22:00 to 06:30"
