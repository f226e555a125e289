"""A table for people, in one form for the terminal, Markdown and pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.markup import escape as as_plain
from rich.table import Table

Row = tuple[str, ...]
Figures = tuple[float | int | None, ...]
"""What stands in the cells of a row, before it is written out; None where there is none."""
ABSENT = "-"
"""The cell of a table that has nothing to say."""


@dataclass(frozen=True)
class Sheet:
    """One table. The first column holds names, the others numbers; every row has a cell for each heading.

    note: what a reader needs to know of it, in one or two sentences
    """

    title: str
    headings: Row
    rows: Sequence[Row]
    note: str = ""

    def for_terminal(self) -> Table:
        """A rich table."""
        table = Table(
            title=as_plain(self.title),
            box=box.SIMPLE_HEAD,
            collapse_padding=True,
            pad_edge=False,
            caption=as_plain(self.note) or None,
        )
        for number, heading in enumerate(self.headings):
            table.add_column(as_plain(heading), justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(as_plain, row))
        return table

    def as_markdown(self) -> str:
        """A heading of the second level, the table, and the note below it."""
        ruler = ("---", *["---:"] * (len(self.headings) - 1))
        lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in (self.headings, *self.rows)]
        lines.insert(1, f"| {' | '.join(ruler)} |")
        return "\n".join([f"## {self.title}", "", *lines, *(["", self.note] if self.note else [])]) + "\n"


def written(figures: Figures) -> Row:
    """Scores with three places, counts as they are."""
    return tuple(
        ABSENT if figure is None else str(figure) if isinstance(figure, int) else f"{figure:.3f}" for figure in figures
    )
