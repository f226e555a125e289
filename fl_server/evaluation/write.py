"""An evaluation as a page, as Markdown, as JSON, or the confusion as a picture of its own."""

from collections.abc import Callable
from pathlib import Path

from fl_server.evaluation.facts import Evaluation
from fl_server.evaluation.pictures import confusion_picture
from fl_server.evaluation.sections import Block, sections, warnings
from fl_server.report import blocks
from fl_server.report.blocks import Paragraph, Picture, Table, cells
from fl_server.report.html import render_html
from fl_server.report.svg import on_paper
from shared_models.errors import UsageError
from shared_models.evaluation.sheets import Sheet
from shared_models.files import atomic_write


def write(facts: Evaluation, path: Path) -> None:
    """Raises UsageError where the name of `path` has another ending, StorageError where it cannot be written."""
    atomic_write(path, _form_of(path)(facts).encode(), 0o644)


def check_name(path: Path) -> None:
    """Raises what `write` raises for the name: before anything is scored."""
    _form_of(path)


def as_html(facts: Evaluation) -> str:
    """One self-contained page in the look of the report: no scripts, nothing loaded from anywhere."""
    page = blocks.Page(
        overline="Evaluation of an emotion model",
        title=facts.study,
        badge=f"{facts.model.name}, {_which(facts)}",
        draft=False,
        notices=[Paragraph(sentence, "alarm") for sentence in warnings(facts)],
        sections=[
            blocks.Section(section.id, section.title, [drawn for block in section.blocks for drawn in _drawn(block)])
            for section in sections(facts)
        ],
        footer="Scores say how the model does on this data, and nothing about one person.",
    )
    return render_html(page)


def as_markdown(facts: Evaluation) -> str:
    """The tables; of a picture, what it says in words."""
    head = [f"# {facts.study}: {facts.model.name}, {_which(facts)}\n"]
    said = [f"**{sentence}**\n" for sentence in warnings(facts)]
    return "\n".join(head + said + [_in_markdown(block) for section in sections(facts) for block in section.blocks])


def _which(facts: Evaluation) -> str:
    if facts.model.round is not None:
        return f"round {facts.model.round}"
    return "the weights to start from" if facts.model.source == "initial" else "a weights file"


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


def _as_json(facts: Evaluation) -> str:
    return facts.model_dump_json(indent=2) + "\n"


def _as_picture(facts: Evaluation) -> str:
    return on_paper(confusion_picture(facts).svg)


_FORMS: dict[str, Callable[[Evaluation], str]] = {
    ".html": as_html,
    ".md": as_markdown,
    ".json": _as_json,
    ".svg": _as_picture,
}


def _form_of(path: Path) -> Callable[[Evaluation], str]:
    if path.suffix not in _FORMS:
        raise UsageError(f"'{path.name}' ends in none of {', '.join(_FORMS)}", fix="Give one of these endings")
    return _FORMS[path.suffix]
