"""The forms that a report can be written in."""

from collections.abc import Callable
from dataclasses import dataclass

from fl_server.report.content.page import report_page
from fl_server.report.document import Report
from fl_server.report.html import render_html


@dataclass(frozen=True)
class Format:
    """`file`: its name in the federation's folder where none is given."""

    file: str
    write: Callable[[Report], bytes]


def _html(document: Report) -> bytes:
    return render_html(report_page(document)).encode()


def _pdf(document: Report) -> bytes:
    from fl_server.report.pdf import render_pdf

    return render_pdf(report_page(document), document.report.generated_at)


def _json(document: Report) -> bytes:
    return document.model_dump_json(indent=1).encode()


FORMATS: dict[str, Format] = {
    "html": Format("report.html", _html),
    "pdf": Format("report.pdf", _pdf),
    "json": Format("report.json", _json),
}
