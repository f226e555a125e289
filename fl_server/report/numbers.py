"""How pages write numbers and moments: epsilon never smaller than it is, what is left never larger."""

import math
from datetime import UTC, datetime

_FLOAT_NOISE = 1e-9
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def rounded_up(value: float) -> str:
    """Two decimals, never less than what was spent."""
    return f"{math.ceil(value * 100 - _FLOAT_NOISE) / 100:.2f}"


def rounded_down(value: float) -> str:
    """Two decimals, never more than what is left."""
    return f"{math.floor(value * 100 + _FLOAT_NOISE) / 100:.2f}"


def scientific(value: float) -> str:
    """A mantissa, and ten to a power in superscripts."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{float(mantissa):g} \N{MULTIPLICATION SIGN} 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


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
