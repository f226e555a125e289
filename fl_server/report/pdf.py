"""Draws a page as PDF, with typst, from the same blocks as the HTML."""

import importlib.resources
import json
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any

import typst

from fl_server.report.blocks import Bullets, Cell, Facts, Page, Paragraph, Picture, runs
from fl_server.report.svg import on_paper


def render_pdf(page: Page, made_at: datetime) -> bytes:
    """The PDF, tagged for screen readers. The same page and moment give the same bytes."""
    moment = int(made_at.timestamp())
    return bytes(typst.compile(_template(), sys_inputs=_inputs(page), ignore_system_fonts=True, timestamp=moment))


def sheets(page: Page) -> dict[str, int]:
    """The sheet of paper on which each section ends, by its id."""
    found = typst.query(_template(), "<part>", field="value", sys_inputs=_inputs(page), ignore_system_fonts=True)
    return {part["part"]: part["sheet"] for part in json.loads(found)}


def _template() -> bytes:
    return (importlib.resources.files("fl_server.report") / "templates" / "page.typ").read_bytes()


def _inputs(page: Page) -> dict[str, str]:
    return {"page": json.dumps(_plain(page))}


def _plain(value: Any) -> Any:
    """`value` as JSON for the template: marked words in runs, pictures in the colours of paper."""
    match value:
        case Picture():
            return {"kind": value.kind, "title": value.title, "svg": on_paper(value.svg), "alt": value.alt}
        case Paragraph():
            return vars(value) | {"text": runs(value.text)}
        case Bullets():
            return vars(value) | {"items": [runs(item) for item in value.items]}
        case Facts():
            return vars(value) | {"rows": [(name, runs(text)) for name, text in value.rows]}
        case Cell():
            return vars(value) | {"text": runs(value.text), "note": runs(value.note)}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _ if is_dataclass(value):
            return {name: _plain(inner) for name, inner in vars(value).items()}
        case _:
            return value
