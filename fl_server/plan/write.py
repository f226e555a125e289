"""Writes the plan as a page."""

import datetime as dt
from pathlib import Path

from fl_server.plan.document import Plan
from fl_server.plan.page import plan_page
from fl_server.report.html import render_html
from fl_server.report.pdf import render_pdf
from shared_models.errors import UsageError
from shared_models.files import atomic_write


def write_page(plan: Plan, path: Path) -> None:
    """Raises UsageError where the name of `path` ends neither in .html nor in .pdf."""
    page = plan_page(plan)
    if path.suffix == ".html":
        atomic_write(path, render_html(page).encode(), 0o644)
    elif path.suffix == ".pdf":
        atomic_write(path, render_pdf(page, dt.datetime.now(dt.UTC)), 0o644)
    else:
        raise UsageError(f"'{path.name}' ends neither in .html nor in .pdf", fix="Give one of the two")
