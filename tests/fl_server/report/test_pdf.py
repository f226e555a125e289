import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fl_server.report.blocks import Bullets, Section
from fl_server.report.content.page import report_page
from fl_server.report.document import Report
from fl_server.report.pdf import render_pdf, sheets

MADE = datetime(2026, 11, 3, 9, 17, tzinfo=UTC)


def test_the_lay_page_is_exactly_one_sheet(fields: dict[str, Any]) -> None:
    found = sheets(report_page(Report.model_validate(fields)))
    assert found["people"] == 1
    assert 1 < found["review"] < found["evidence"]


def test_a_lay_page_with_more_to_say_is_set_smaller_to_fit(fields: dict[str, Any]) -> None:
    fields["unprotected"] = [f"Something that is not protected, at some length: {i}" for i in range(18)]
    fields["report"]["alerts"] = ["An alert that takes its own line, and says what is wrong in a whole sentence."] * 3
    assert sheets(report_page(Report.model_validate(fields)))["people"] == 1


def test_what_was_typed_is_text_and_never_markup(fields: dict[str, Any]) -> None:
    fields["study"]["title"] = '#panic("x") *bold* $x$ <y> \\ "quoted"'
    fields["study"]["controller"] = '#read("/etc/passwd")'
    assert render_pdf(report_page(Report.model_validate(fields)), MADE).startswith(b"%PDF-")


def test_the_same_report_gives_the_same_bytes(fields: dict[str, Any]) -> None:
    page = report_page(Report.model_validate(fields))
    assert render_pdf(page, MADE) == render_pdf(page, MADE)
    other = replace(page, sections=[*page.sections, Section("more", "More", [Bullets(["one", "two"], ordered=True)])])
    assert render_pdf(other, MADE) != render_pdf(page, MADE)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext")
def test_the_pdf_says_what_the_html_says(fields: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(render_pdf(report_page(Report.model_validate(fields)), MADE))
    text = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True).stdout
    words = " ".join(text.split())
    for said in ("the best guesser is right at most 74 times in 100", "no guarantee", "head-of-the-chain", "7.88"):
        assert said in words
