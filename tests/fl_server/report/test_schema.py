import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fl_server.report.document import Report
from fl_server.report.provenance import PROVENANCE, origin_of
from fl_server.report.schema import documented, field_rows, numeric_fields, report_schema

DOCS = Path(__file__).parents[3] / "docs"


def test_the_published_schema_is_the_one_in_force() -> None:
    published = json.loads((DOCS / "report-schema.json").read_text(encoding="utf-8"))
    assert published == report_schema(), "run `python -m fl_server.report.schema`"


def test_the_page_of_fields_is_up_to_date() -> None:
    page = (DOCS / "report.md").read_text(encoding="utf-8")
    assert page == documented(page), "run `python -m fl_server.report.schema`"


def test_every_field_is_documented() -> None:
    assert [path for path, meaning in field_rows() if len(meaning) < 3] == []


def test_a_report_is_valid_by_the_schema_and_a_wrong_one_is_not(fields: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(report_schema())
    document = json.loads(Report.model_validate(fields).model_dump_json())
    validator.validate(document)
    document["claims"][0]["epsilon"] = -1
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)


def test_every_number_says_where_it_comes_from() -> None:
    numbers = numeric_fields()
    assert [field for field in numbers if origin_of(field) is None] == []


def test_no_origin_is_given_for_what_is_not_there() -> None:
    paths = [path for path, _ in field_rows()]
    assert [field for field, _, _ in PROVENANCE if field not in paths] == []
