"""Training only in the hours that the student allows."""

from collections.abc import Callable
from datetime import datetime, time

from fl_client.conditions.condition import Condition
from fl_client.settings import Hours


def in_hours(hours: Hours, now: Callable[[], time] = lambda: datetime.now().time()) -> Condition[time]:
    """hours: their end is no part of them"""

    def judge(moment: time) -> str:
        return "" if not hours or _lies_in(moment, hours) else f"you allow training from {hours.replace('-', ' to ')}"

    return Condition("the time of day", now, judge)


def _lies_in(moment: time, hours: str) -> bool:
    begin, end = map(time.fromisoformat, hours.split("-"))
    return begin <= moment < end if begin < end else moment >= begin or moment < end
