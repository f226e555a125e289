"""A table for people, in one form for the terminal, Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich import box
from rich.markup import escape as as_plain
from rich.table import Table

Row = tuple[str, ...]
Figures = tuple[float | int | None, ...]
"""What stands in the cells of a row, before it is written out; None where there is none."""
_ABSENT = "-"


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
            title=self.title,
            box=box.SIMPLE_HEAD,
            collapse_padding=True,
            pad_edge=False,
            caption=as_plain(self.note) or None,
        )
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(as_plain, row))
        return table

    def as_markdown(self) -> str:
        """A heading of the second level, the table, and the note below it."""
        ruler = ("---", *["---:"] * (len(self.headings) - 1))
        lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in (self.headings, *self.rows)]
        lines.insert(1, f"| {' | '.join(ruler)} |")
        return "\n".join([f"## {self.title}", "", *lines, *(["", self.note] if self.note else [])]) + "\n"

    def as_html(self) -> str:
        """A `section` with everything in it escaped."""
        head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in self.headings)
        body = "\n".join(f"<tr>{_html_cells(row)}</tr>" for row in self.rows)
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return (
            f"<section><h2>{escape(self.title)}</h2>\n<table><thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}\n</tbody></table>{note}</section>\n"
        )


def written(figures: Figures) -> Row:
    """Scores with three places, counts as they are."""
    return tuple(
        _ABSENT if figure is None else str(figure) if isinstance(figure, int) else f"{figure:.3f}" for figure in figures
    )


def _html_cells(row: Row) -> str:
    name, *numbers = map(escape, row)
    return f'<th scope="row">{name}</th>' + "".join(f"<td>{number}</td>" for number in numbers)
