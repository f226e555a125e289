"""The few kinds of block that every page is made of. HTML and PDF are drawn from the same blocks.

Text in blocks may hold `code` between backticks and *emphasis* between asterisks; the two renderers know no more.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["plain", "code", "strong"]
_MARKED = re.compile(r"`([^`]+)`|\*([^*]+)\*")


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 3
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True)
class Paragraph:
    """`lead` is large, `note` small and muted, `notice` and `alarm` are boxed, `broken` says that nothing holds."""

    text: str
    style: Literal["plain", "lead", "note", "notice", "alarm", "broken"] = "plain"
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    items: list[str]
    ordered: bool = False
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Facts:
    """Names and what is known under them."""

    rows: list[tuple[str, str]]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Cell:
    """One cell: a line, and a small note below it. A `broken` cell says that nothing holds."""

    text: str
    note: str = ""
    broken: bool = False


@dataclass(frozen=True)
class Table:
    """The first column names the row. `numeric` lists the columns that are set to the right; `widths` are weights."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    numeric: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Picture:
    """A self-contained <svg> in the colours of `svg.py`; `alt` says in words what it shows."""

    svg: str
    title: str
    alt: str
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True)
class Pair:
    """Two columns side by side."""

    left: "list[Block]"
    right: "list[Block]"
    kind: Literal["pair"] = "pair"


Block = Heading | Paragraph | Bullets | Facts | Table | Picture | Pair


@dataclass(frozen=True)
class Section:
    """A part of a page that begins on a new sheet of paper."""

    id: str
    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class Page:
    """A whole page. `badge` stands below the title; `draft` marks every sheet of the PDF."""

    overline: str
    title: str
    badge: str
    draft: bool
    notices: list[Block]
    sections: list[Section]
    footer: str


def runs(text: str) -> list[tuple[Style, str]]:
    """`text` in pieces: (style, words)."""
    pieces: list[tuple[Style, str]] = []
    end = 0
    for found in _MARKED.finditer(text):
        pieces.append(("plain", text[end : found.start()]))
        pieces.append(("code", found[1]) if found[1] else ("strong", found[2]))
        end = found.end()
    pieces.append(("plain", text[end:]))
    return [(style, words) for style, words in pieces if words]


def cells(*texts: str) -> list[Cell]:
    """A row of plain cells."""
    return [Cell(text) for text in texts]
