"""The forms that a report can be written in, and the documents that are made from it."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from fl_server.certificates import load_signing_key
from fl_server.folder import FederationFolder
from fl_server.models.promotion import read_promoted
from fl_server.report.cards import data_sheet, model_card
from fl_server.report.content.page import report_page
from fl_server.report.document import Report
from fl_server.report.html import render_html
from fl_server.report.opendp import registry_entry
from fl_server.report.record import Record
from fl_server.report.schema import report_schema
from fl_server.verify.bundle import pack

Writer = Callable[[Report, Record, FederationFolder], bytes]


@dataclass(frozen=True)
class Format:
    """`file`: its name in the federation's folder where none is given."""

    file: str
    write: Writer


def _html(document: Report, record: Record, folder: FederationFolder) -> bytes:
    return render_html(report_page(document)).encode()


def _pdf(document: Report, record: Record, folder: FederationFolder) -> bytes:
    from fl_server.report.pdf import render_pdf

    return render_pdf(report_page(document), document.report.generated_at)


def _json(document: Report, record: Record, folder: FederationFolder) -> bytes:
    return document.model_dump_json(indent=1).encode()


def _model_card(document: Report, record: Record, folder: FederationFolder) -> bytes:
    promoted = read_promoted(folder)
    return model_card(document, promoted.round if promoted else None).encode()


def _bundle(document: Report, record: Record, folder: FederationFolder) -> bytes:
    schema = json.dumps(report_schema(), indent=1, ensure_ascii=False).encode()
    return pack(_json(document, record, folder), schema, record.evidence, load_signing_key(folder))


FORMATS: dict[str, Format] = {
    "html": Format("report.html", _html),
    "pdf": Format("report.pdf", _pdf),
    "json": Format("report.json", _json),
    "bundle": Format("bundle.zip", _bundle),
    "model-card": Format("model-card.md", _model_card),
    "data-sheet": Format("data-sheet.md", lambda document, *_: data_sheet(document).encode()),
    "opendp": Format("opendp.yaml", lambda document, *_: registry_entry(document).encode()),
}
