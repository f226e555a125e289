"""Cells of harm as a table: a row for each attack and share, a column for each defence."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulations.attacks.harm import NOBODY
from simulations.attacks.poisoning import BACKDOOR

MEMBERSHIP, INVERSION = "membership", "inversion"
_SHOWN = {
    NOBODY: ("accuracy", "trigger_success"),
    BACKDOOR: ("trigger_success", "accuracy_lost"),
    MEMBERSHIP: ("auc",),
    INVERSION: ("labels_found",),
}
"""By attack: the measures that a table shows; of all others, what accuracy was lost."""


@dataclass(frozen=True)
class Row:
    """One line of a table: the cells of one attack, share and measure, by defence."""

    attack: str
    share: float
    measure: str
    cells: dict[str, dict[str, Any]]

    def texts(self, defences: Sequence[str]) -> list[str]:
        figures = (_figure(**self.cells[name]) for name in defences)
        return [self.attack, f"{100 * self.share:g} %", self.measure.replace("_", " "), *figures]


def rows_of(cells: Iterable[dict[str, Any]]) -> list[Row]:
    """The table's lines, in the order of `cells`, which are those of a result."""
    rows: dict[tuple[str, float, str], Row] = {}
    for cell in cells:
        for measure in _SHOWN.get(cell["attack"], ("accuracy_lost",)):
            key = cell["attack"], cell["share"], measure
            rows.setdefault(key, Row(*key, {})).cells[cell["defence"]] = cell[measure]
    return list(rows.values())


def heading(rows: Sequence[Row]) -> list[str]:
    """The names of a table's columns; those after the third are defences."""
    return ["attack", "attackers", "percent", *rows[0].cells]


def as_markdown(cells: Iterable[dict[str, Any]]) -> str:
    rows = rows_of(cells)
    head = heading(rows)
    lines = [head, ["---"] * 3 + ["---:"] * len(head[3:]), *(row.texts(head[3:]) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(cells: Iterable[dict[str, Any]]) -> str:
    """A line for every measure of every cell, shown in the table or not."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("attack", "share", "defence", "measure", "mean", "sd", "seeds"))
    for cell in cells:
        named = {name: value for name, value in cell.items() if isinstance(value, dict)}
        for measure, found in named.items():
            where = cell["attack"], cell["share"], cell["defence"], measure
            writer.writerow((*where, found["mean"], found["sd"], len(found["values"])))
    return text.getvalue()


def _figure(mean: float, sd: float | None, **_: object) -> str:
    return f"{mean:.1f}" if sd is None else f"{mean:.1f} ± {sd:.1f}"
