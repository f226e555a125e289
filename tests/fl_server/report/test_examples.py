"""The reports in docs are what this version would write: they validate, and every format is there."""

import json
from pathlib import Path

import jsonschema
import pytest

from fl_server.report.document import Report

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = ("demo", "study")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_valid_by_the_published_schema(name: str) -> None:
    document = json.loads((DOCS / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, json.loads((DOCS / "report-schema.json").read_text(encoding="utf-8")))
    report = Report.model_validate(document)
    assert report.report.status == "final"
    status = {"demo": "holds", "study": "simulated"}[name]
    assert {claim.status for claim in report.claims if claim.epsilon is not None} == {status}


def test_every_example_is_listed_in_every_format() -> None:
    listed = (DOCS / "examples" / "README.md").read_text(encoding="utf-8")
    for name in EXAMPLES:
        for ending in ("html", "pdf", "json"):
            assert (DOCS / "examples" / f"{name}.{ending}").stat().st_size > 10_000
            assert f"({name}.{ending})" in listed
