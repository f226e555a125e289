"""Targets of sequences that have more to them than one class, and how a manifest writes those of each output."""

from collections.abc import Iterable, Mapping

from shared_models.data.labels import LabelScheme, Target
from shared_models.errors import DataError

_BETWEEN = "|"


def present(scheme: LabelScheme, labels: Iterable[str]) -> Target:
    """1 for each class that is there. Raises DataError where the scheme has no such class."""
    there = {scheme.index(label) for label in labels}
    return tuple(float(place in there) for place in range(len(scheme.classes)))


def reached(scheme: LabelScheme, levels: Mapping[str, int]) -> Target:
    """1 for each level that a state reaches: `engagement:2` is 1 where its level is 2 or 3. Needs every state."""
    steps = (name.split(":") for name in scheme.classes)
    return tuple(float(levels[state] >= int(level)) for state, level in steps)


def label_columns(scheme: LabelScheme) -> tuple[str, ...]:
    """The columns of a manifest that hold a label: one for each value, else `label`."""
    return scheme.classes if scheme.output == "values" else ("label",)


def read_target(scheme: LabelScheme, row: Mapping[str, str]) -> Target:
    """The target that a manifest's row means, from its `label_columns`.

    A class is written as `happiness`, several as `happiness|surprise`, levels as `boredom:0|engagement:2|...`, values
    as numbers in [-1, 1].

    Raises DataError where the row holds no label of `scheme`.
    """
    if scheme.output == "values":
        return tuple(_value(name, row[name]) for name in scheme.classes)
    if scheme.output == "levels":
        return reached(scheme, _levels(scheme, row["label"]))
    if scheme.output == "multi-label":
        return present(scheme, row["label"].split(_BETWEEN))
    return scheme.one_hot(scheme.index(row["label"]))


def _value(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1 <= value <= 1:
        raise DataError(f"The {name} '{text}' is not a number from -1 to 1")
    return value


def _levels(scheme: LabelScheme, text: str) -> dict[str, int]:
    """The level of each state; a state at level 0 must be named too, for who was not looked at has none."""
    allowed = [str(level) for level in range(len(scheme.classes) // len(scheme.states) + 1)]
    levels: dict[str, int] = {}
    for part in text.split(_BETWEEN):
        state, _, level = part.strip().lower().partition(":")
        state = scheme.aliases.get(state, state)
        if state not in scheme.states or level not in allowed:
            raise DataError(
                f"'{part}' is not a state and its level",
                fix=f"Write one of {', '.join(scheme.states)}, a colon, and a level from 0 to {allowed[-1]}",
            )
        levels[state] = int(level)
    if missing := [state for state in scheme.states if state not in levels]:
        raise DataError(
            f"The label '{text}' gives no level of {', '.join(missing)}",
            fix=f"Name every state, also at level 0, with {_BETWEEN} between them",
        )
    return levels
