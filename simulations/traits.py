"""What a person may write as `NAME` or `NAME:NUMBER` to compose a population or its availability."""

from collections.abc import Mapping

from shared_models.errors import UsageError

Range = tuple[float, float, float]
"""A number's default, its least and its largest value."""


def parse_trait(text: str, kind: str, known: Mapping[str, Range]) -> tuple[str, float]:
    """The name and its number. Raises UsageError where there is no such `kind`, or the number is out of its range."""
    name, colon, number = text.partition(":")
    if name not in known:
        raise UsageError(f"There is no {kind} '{name}'", fix=f"Use any of: {', '.join(known)}")
    default, least, most = known[name]
    if not colon:
        return name, default
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise UsageError(f"'{number}' is no number for {name}", fix=f"Give one from {least:g} to {most:g}")
    return name, value
