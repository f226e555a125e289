"""Counts of people as bands: a small count points at somebody, exact ones can be subtracted."""

from typing import Literal

Band = Literal["fewer than 10", "10 to 19", "20 to 49", "50 to 99", "100 to 199", "200 to 499", "500 or more"]

_UPPER_ENDS: tuple[tuple[int, Band], ...] = (
    (9, "fewer than 10"),
    (19, "10 to 19"),
    (49, "20 to 49"),
    (99, "50 to 99"),
    (199, "100 to 199"),
    (499, "200 to 499"),
)


BANDS: tuple[Band, ...] = (*(name for _, name in _UPPER_ENDS), "500 or more")
"""All bands, the lowest first."""


def band(count: int) -> Band:
    """The band that `count` people fall into; nobody and nine look the same."""
    return next((name for upper, name in _UPPER_ENDS if count <= upper), "500 or more")
