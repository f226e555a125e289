from datetime import UTC, datetime, timedelta, timezone

import pytest

from fl_server.report.numbers import moment, period, rounded_down, rounded_up, scientific


@pytest.mark.parametrize(("value", "shown"), [(7.981, "7.99"), (7.98, "7.98"), (0, "0.00"), (0.1 + 0.2, "0.30")])
def test_what_is_spent_is_rounded_up(value: float, shown: str) -> None:
    assert rounded_up(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.019, "0.01"), (8 - 7.98, "0.02"), (0, "0.00")])
def test_what_is_left_is_rounded_down(value: float, shown: str) -> None:
    assert rounded_down(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(1e-5, "1 x 10⁻⁵"), (2.5e-7, "2.5 x 10⁻⁷"), (1.0, "1 x 10⁰")])
def test_a_delta_is_written_as_a_power_of_ten(value: float, shown: str) -> None:
    assert scientific(value).replace("\N{MULTIPLICATION SIGN}", "x") == shown


def test_times_are_given_in_utc() -> None:
    evening = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert moment(evening) == "2 March 2026, 01:30 UTC"
    assert moment(None) == "not recorded"


def test_a_period_within_one_day_is_that_day() -> None:
    morning = datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert period(morning, morning + timedelta(hours=3)) == "1 March 2026"
    assert period(morning, morning + timedelta(days=3)) == "1 March 2026 to 4 March 2026"
    assert period(morning, None) == "1 March 2026 to an unrecorded day"
