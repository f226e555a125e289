"""The report in a real browser, with whatever fonts this machine has: those of a reader are not known either."""

import json
from pathlib import Path
from typing import Any

import pytest

from fl_server.report.content.page import report_page
from fl_server.report.document import Report
from fl_server.report.html import render_html

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
OUTSIDE_OR_OVERLAPPING = """
const found = [];
for (const svg of document.querySelectorAll("svg")) {
  const whole = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  for (const [words, at] of texts)
    if (at.left < whole.left || at.right > whole.right || at.bottom > whole.bottom) found.push(words);
  for (const [i, [words, a]] of texts.entries())
    for (const [others, b] of texts.slice(i + 1))
      if (a.left < b.right && b.left < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom)
        found.push(words + " | " + others);
}
found
"""


@pytest.mark.parametrize("example", ["demo", "study"])
def test_no_words_of_a_picture_are_cut_off_or_lie_on_others(chromium: Any, tmp_path: Path, example: str) -> None:
    report = Report.model_validate(json.loads((EXAMPLES / f"{example}.json").read_text(encoding="utf-8")))
    page = tmp_path / "report.html"
    page.write_text(render_html(report_page(report)), encoding="utf-8")
    tab = chromium.new_page(viewport={"width": 1200, "height": 900})
    tab.goto(page.as_uri())
    assert tab.locator("svg text").count() > 50
    assert tab.evaluate(OUTSIDE_OR_OVERLAPPING) == []
    tab.close()
