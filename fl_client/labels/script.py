"""Labels written down in advance, in the place of a student's taps."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from fl_client.labels.events import SCRIPT, LabelEvent
from shared_models.data.labels import LabelScheme
from shared_models.errors import DataError

_COLUMNS = ["seconds", "label"]


class LabelScript:
    """The label events of a file, each at its time."""

    def __init__(self, events: Iterable[LabelEvent]) -> None:
        self._events = list(events)

    @classmethod
    def read(cls, path: Path, scheme: LabelScheme) -> "LabelScript":
        """The events of a CSV file with the columns seconds and label, in ascending order of time.

        Raises DataError, naming the line, for a time that is no number or not after the one before it, and
        for a label that `scheme` does not have; also where the file cannot be read.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                return cls(_events(path, file, scheme))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"The label script {path} cannot be read",
                why=getattr(error, "strerror", None) or "it is not a CSV file in UTF-8",
                fix="Check its path and its contents",
            ) from error

    def due(self, until: float) -> list[LabelEvent]:
        due = [event for event in self._events if event.seconds <= until]
        del self._events[: len(due)]
        return due


def _events(path: Path, lines: Iterable[str], scheme: LabelScheme) -> list[LabelEvent]:
    rows = csv.reader(lines)
    if [column.strip() for column in next(rows, [])] != _COLUMNS:
        raise DataError(f"{path}, line 1: the columns must be {','.join(_COLUMNS)}", fix="Write that as the first line")
    events: list[LabelEvent] = []
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if not row:
            continue
        if len(row) != len(_COLUMNS):
            raise DataError(f"{where}: {len(row)} fields instead of {len(_COLUMNS)}", fix="Correct the line")
        seconds = _seconds(where, row[0])
        if events and seconds <= events[-1].seconds:
            raise DataError(
                f"{where}: {seconds:g} s is not after {events[-1].seconds:g} s", fix="Sort the lines by time"
            )
        events.append(LabelEvent(seconds, _label(where, row[1], scheme), SCRIPT))
    return events


def _seconds(where: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise DataError(f"{where}: '{text}' is not a time in seconds", fix="Write a number such as 12.5")
    return seconds


def _label(where: str, text: str, scheme: LabelScheme) -> str:
    try:
        return scheme.classes[scheme.index(text)]
    except DataError as error:
        raise DataError(f"{where}: {error.what}", fix=error.fix) from error
