"""How the report writes numbers and moments: epsilon never smaller than it is, what is left never larger."""

import math
from datetime import UTC, datetime

from markupsafe import Markup

_FLOAT_NOISE = 1e-9


def rounded_up(value: float) -> str:
    """Two decimals, never less than what was spent."""
    return f"{math.ceil(value * 100 - _FLOAT_NOISE) / 100:.2f}"


def rounded_down(value: float) -> str:
    """Two decimals, never more than what is left."""
    return f"{math.floor(value * 100 + _FLOAT_NOISE) / 100:.2f}"


def scientific(value: float) -> Markup:
    """As in 1 x 10 to the power of -5, for HTML."""
    mantissa, exponent = f"{value:.1e}".split("e")
    power = Markup("&minus;{}" if int(exponent) < 0 else "{}").format(abs(int(exponent)))
    return Markup("{:g}&thinsp;&times;&thinsp;10<sup>{}</sup>").format(float(mantissa), power)


def period(start: datetime | None, end: datetime | None) -> str:
    """From one day to another, in UTC."""
    days = ["an unrecorded day" if value is None else _day(value) for value in (start, end)]
    return days[0] if days[0] == days[1] else " to ".join(days)


def moment(value: datetime | None) -> str:
    """To the minute, in UTC."""
    if value is None:
        return "not recorded"
    return f"{_day(value)}, {value.astimezone(UTC):%H:%M} UTC"


def _day(value: datetime) -> str:
    return f"{value.astimezone(UTC):%d %B %Y}".lstrip("0")
