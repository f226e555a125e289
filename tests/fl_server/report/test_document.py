from typing import Any

import pytest
from pydantic import ValidationError

from fl_server.report.bands import band
from fl_server.report.document import Report
from fl_server.report.document.identity import Signature

SIGNATURE = Signature(public_key="0" * 64, value="0" * 128).model_dump()


def test_the_document_survives_json(fields: dict[str, Any]) -> None:
    document = Report.model_validate(fields)
    assert Report.model_validate_json(document.model_dump_json()) == document


@pytest.mark.parametrize("status", ["assumption_broken", "not_claimed"])
@pytest.mark.parametrize(
    ("number", "value"),
    [("epsilon", 1.0), ("mu", 1.0), ("advantage", 0.1), ("curve", [{"epsilon": 0.0, "delta": 0.1}])],
)
def test_a_claim_without_a_guarantee_carries_no_number(
    fields: dict[str, Any], status: str, number: str, value: Any
) -> None:
    nothing = {
        "epsilon": None,
        "epsilon_without_amplification": None,
        "mu": None,
        "advantage": None,
        "curve": [],
        "trade_off": [],
    }
    fields["claims"][0] |= nothing | {"status": status, number: value}
    with pytest.raises(ValidationError, match="without a guarantee"):
        Report.model_validate(fields)


@pytest.mark.parametrize("number", ["epsilon", "delta", "advantage"])
def test_a_claim_that_holds_needs_its_numbers(fields: dict[str, Any], number: str) -> None:
    fields["claims"][0][number] = None
    with pytest.raises(ValidationError, match="needs its epsilon and delta"):
        Report.model_validate(fields)


@pytest.mark.parametrize("verification", ["not_verified", "failed"])
def test_a_report_is_not_final_before_its_ledger_is_verified(fields: dict[str, Any], verification: str) -> None:
    fields["report"] |= {"status": "final", "signature": SIGNATURE}
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


def test_a_report_with_alerts_is_not_final(fields: dict[str, Any]) -> None:
    fields["ledger"]["verification"] = "verified"
    fields["report"] |= {"status": "final", "signature": SIGNATURE}
    Report.model_validate(fields)
    fields["report"]["alerts"] = ["Only one device took part."]
    with pytest.raises(ValidationError, match="stands in the way"):
        Report.model_validate(fields)


@pytest.mark.parametrize(("status", "signature"), [("final", None), ("draft", SIGNATURE)])
def test_what_is_final_is_signed_and_nothing_else(
    fields: dict[str, Any], status: str, signature: dict[str, str] | None
) -> None:
    fields["ledger"]["verification"] = "verified"
    fields["report"] |= {"status": status, "signature": signature}
    with pytest.raises(ValidationError, match="signed"):
        Report.model_validate(fields)
