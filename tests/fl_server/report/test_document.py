import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fl_server.report import Report, band

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "report.md"


def test_the_document_survives_json(fields: dict[str, Any]) -> None:
    document = Report.model_validate(fields)
    assert Report.model_validate_json(document.model_dump_json()) == document


@pytest.mark.parametrize("status", ["assumption_broken", "not_claimed"])
@pytest.mark.parametrize("number", ["epsilon", "mu"])
def test_a_claim_without_a_guarantee_carries_no_number(fields: dict[str, Any], status: str, number: str) -> None:
    fields["claims"][0] |= {"status": status, "epsilon": None, "mu": None, number: 1.0}
    with pytest.raises(ValidationError, match="without a guarantee"):
        Report.model_validate(fields)


@pytest.mark.parametrize("number", ["epsilon", "delta"])
def test_a_claim_that_holds_needs_its_numbers(fields: dict[str, Any], number: str) -> None:
    fields["claims"][0][number] = None
    with pytest.raises(ValidationError, match="needs its epsilon and delta"):
        Report.model_validate(fields)


@pytest.mark.parametrize("verification", ["not_verified", "failed"])
def test_a_report_is_not_final_before_its_ledger_is_verified(fields: dict[str, Any], verification: str) -> None:
    fields["report"]["status"] = "final"
    fields["ledger"]["verification"] = verification
    with pytest.raises(ValidationError, match="final"):
        Report.model_validate(fields)


def test_nothing_holds_over_a_broken_ledger(fields: dict[str, Any]) -> None:
    fields["ledger"]["verification"] = "failed"
    with pytest.raises(ValidationError, match="does not verify"):
        Report.model_validate(fields)


def test_the_claim_covers_what_the_ledger_spent(fields: dict[str, Any]) -> None:
    fields["ledger"]["spent"] = fields["claims"][0]["epsilon"] + 0.01
    with pytest.raises(ValidationError, match="spent more"):
        Report.model_validate(fields)


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), -1.0])
def test_an_epsilon_is_a_finite_number(fields: dict[str, Any], wrong: float) -> None:
    fields["claims"][0]["epsilon"] = wrong
    with pytest.raises(ValidationError):
        Report.model_validate(fields)


def test_an_unknown_field_is_refused(fields: dict[str, Any]) -> None:
    fields["consent"]["names"] = ["Ada"]
    with pytest.raises(ValidationError, match="names"):
        Report.model_validate(fields)


def test_people_are_counted_in_bands_only(fields: dict[str, Any]) -> None:
    assert band(0) == band(9) == "fewer than 10"
    assert band(10) == "10 to 19"
    assert band(499) == "200 to 499"
    assert band(500) == "500 or more"
    fields["study"]["enrolled"] = "4"
    with pytest.raises(ValidationError):
        Report.model_validate(fields)


def test_every_field_is_documented_and_no_other() -> None:
    documented = re.findall(r"^\| `([^`]+)` \| \S", DOCUMENTATION.read_text(encoding="utf-8"), re.MULTILINE)
    schema = Report.model_json_schema()

    assert len(documented) == len(set(documented))
    assert set(documented) == set(field_paths(schema, schema["$defs"], ""))


def field_paths(schema: dict[str, Any], definitions: dict[str, Any], at: str) -> list[str]:
    """Dotted paths of all fields below `schema`; [] is each of a list, * each name of a mapping."""
    paths = []
    for choice in schema.get("anyOf", [schema]):
        name = choice.get("$ref", "").removeprefix("#/$defs/")
        if name:
            paths += field_paths(definitions[name], definitions, "metrics" if name == "Metrics" else at)
        elif "properties" in choice:
            for field, inner in choice["properties"].items():
                path = f"{at}.{field}" if at else field
                paths += [path, *field_paths(inner, definitions, path)]
        elif isinstance(choice.get("additionalProperties"), dict):
            paths += field_paths(choice["additionalProperties"], definitions, f"{at}.*")
        elif "items" in choice:
            paths += field_paths(choice["items"], definitions, f"{at}[]")
    return paths
