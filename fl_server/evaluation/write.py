"""A document as a page, as Markdown, as JSON, or its picture alone."""

from collections.abc import Callable
from pathlib import Path

from fl_server.evaluation.document import Block, Document
from fl_server.report import blocks
from fl_server.report.blocks import Paragraph, Picture, Table, cells
from fl_server.report.html import render_html
from fl_server.report.svg import on_paper
from shared_models.errors import UsageError
from shared_models.evaluation.sheets import Sheet
from shared_models.files import atomic_write


def write(document: Document, path: Path) -> None:
    """Raises UsageError where the name of `path` has another ending, StorageError where it cannot be written."""
    atomic_write(path, _form_of(path)(document).encode(), 0o644)


def check_name(path: Path, *, pictures: bool) -> None:
    """Raises what `write` raises for the name, before anything is scored; `pictures`: whether there will be one."""
    if _form_of(path) is _as_picture and not pictures:
        raise _no_picture()


def as_html(document: Document) -> str:
    """One self-contained page in the look of the report: no scripts, nothing loaded from anywhere."""
    page = blocks.Page(
        overline="Evaluation of an emotion model",
        title=document.title,
        badge=document.subject,
        draft=False,
        notices=[Paragraph(sentence, "alarm") for sentence in document.warnings],
        sections=[
            blocks.Section(section.id, section.title, [drawn for block in section.blocks for drawn in _drawn(block)])
            for section in document.sections
        ],
        footer="Scores say how the model does on this data, and nothing about one person.",
    )
    return render_html(page)


def as_markdown(document: Document) -> str:
    """The tables; of a picture, what it says in words."""
    head = [f"# {document.title}: {document.subject}\n"]
    said = [f"**{sentence}**\n" for sentence in document.warnings]
    tables = [_in_markdown(block) for section in document.sections for block in section.blocks]
    return "\n".join(head + said + tables)


def _drawn(block: Block) -> list[blocks.Block]:
    if not isinstance(block, Sheet):
        return [block]
    numbers = list(range(1, len(block.headings)))
    table = Table(block.title, list(block.headings), [cells(*row) for row in block.rows], numbers)
    return [table, Paragraph(block.note, "note")] if block.note else [table]


def _in_markdown(block: Block) -> str:
    if isinstance(block, Sheet):
        return block.as_markdown()
    if isinstance(block, Picture):
        return f"{block.alt}\n"
    return "".join(f"- {name}: {value}\n" for name, value in block.rows)


def _as_json(document: Document) -> str:
    return document.facts.model_dump_json(indent=2) + "\n"


def _as_picture(document: Document) -> str:
    if document.picture is None:
        raise _no_picture()
    return on_paper(document.picture.svg)


def _no_picture() -> UsageError:
    return UsageError("There is no picture of this", fix="Write it as .html, .md or .json")


_FORMS: dict[str, Callable[[Document], str]] = {
    ".html": as_html,
    ".md": as_markdown,
    ".json": _as_json,
    ".svg": _as_picture,
}


def _form_of(path: Path) -> Callable[[Document], str]:
    if path.suffix not in _FORMS:
        raise UsageError(f"'{path.name}' ends in none of {', '.join(_FORMS)}", fix="Give one of these endings")
    return _FORMS[path.suffix]
