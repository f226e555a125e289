"""How the page names observers and units, and says that something is not recorded."""

from collections.abc import Sequence

from fl_server.report.blocks import Paragraph
from fl_server.report.document import Report

OBSERVERS = {
    "server": "the server",
    "participant": "another participant",
    "model_recipient": "whoever receives the model",
    "public": "the public",
}
UNITS = {
    "frame": "one video frame",
    "sequence": "one stored recording of a few seconds",
    "participant": "everything that one person contributed",
}


def recorded(value: str | None) -> str:
    return value or "not recorded"


def sources(document: Report, *groups: str) -> Paragraph:
    """One small line: from which records the figures of these groups are taken."""
    found = dict.fromkeys(
        origin.source for origin in document.provenance if origin.field.split(".")[0].removesuffix("[]") in groups
    )
    return Paragraph(f"Figures from: {'; '.join(found)}.", "note")


def listed(items: Sequence[str]) -> str:
    return "; ".join(item.rstrip(".") for item in items)
