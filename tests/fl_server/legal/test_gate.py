from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fl_server.legal.answers import QUESTIONS, Answers
from fl_server.legal.gate import allows_live_reading, check_gate, findings
from fl_server.legal.rules import RULES
from shared_models.errors import LegalError

PAGE = Path(__file__).parents[3] / "docs" / "legal-gate.md"


def answers(**changes: Any) -> Answers:
    """A study in the EU that may start."""
    return Answers.model_validate(
        {
            "purpose": "scientific research",
            "synthetic": False,
            "regions": ["EU"],
            "minimum_age": 18,
            "institutional_outputs": "none",
            "investigator": "Dr. Example",
            "data_protection_officer": "dpo@example.org",
            "ethics_reference": "EC-1",
            "legal_opinion": "file 88",
            "live_reading": "file 89",
            "lawful_basis": "public task",
            "special_category_basis": "scientific research",
            "dpia_reference": "DPIA-1",
            "retention_schedule": "https://example.org",
            "answered_by": "Dr. Example",
            "answered_on": "2026-09-01",
            **changes,
        }
    )


def test_a_simulation_with_rendered_faces_needs_no_answers() -> None:
    assert findings(Answers()) == []
    assert check_gate(Answers()) == []


def test_an_answered_study_starts_and_hears_its_warnings() -> None:
    warned = {finding.entry for finding in check_gate(answers())}
    assert warned == {"special_category_basis"}


@pytest.mark.parametrize(
    "entry",
    ["regions", "minimum_age", "institutional_outputs", "investigator", "data_protection_officer", "ethics_reference",
     "legal_opinion", "lawful_basis", "dpia_reference", "answered_by", "answered_on"],
)  # fmt: skip
def test_each_answer_that_is_missing_in_the_eu_refuses_by_its_name(entry: str) -> None:
    missing = answers().model_copy(update={entry: Answers.model_fields[entry].default})
    if entry == "regions":
        missing = missing.model_copy(update={"legal_opinion": ""})
    with pytest.raises(LegalError, match=rf"study\.{entry}: "):
        check_gate(missing)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"purpose": "learning support"}, "consent does not cure it.*AI Act"),
        ({"purpose": "research simulation"}, "rendered faces only"),
        ({"institutional_outputs": "individual"}, "view of a single person.*AI Act"),
        ({"legal_opinion": "", "purpose": "medical or safety"}, "needed in every mode.*article 5"),
        ({"dpia_reference": "", "regions": ["UK"]}, "article 35"),
        ({"lawful_basis": "", "regions": ["UK"]}, r"article 6\(1\)"),
        ({"minimum_age": 12, "regions": ["US"], "parental_permission": "yes"}, "nobody under 13"),
        ({"minimum_age": 16, "regions": ["US"]}, "parental permission and assent"),
        ({"regions": ["US-IL"]}, r"written release.*740 ILCS 14/15\(b\)"),
        ({"regions": ["US-IL"], "written_release": "form 3", "retention_schedule": ""}, r"740 ILCS 14/15\(a\)"),
    ],
)
def test_what_the_law_forbids_is_refused_with_its_source(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(LegalError, match=words):
        check_gate(answers(**changes))


@pytest.mark.parametrize(
    ("changes", "entry", "source"),
    [
        ({"regions": ["UK"]}, "purpose", "Information Commissioner"),
        ({"regions": ["US"]}, "education_records", "34 CFR 99.3"),
        ({"minimum_age": 16}, "minimum_age", "45 CFR 46.408"),
        ({"lawful_basis": "consent"}, "lawful_basis", "recital 43"),
        ({"retention_schedule": ""}, "retention_schedule", r"article 5\(1\)\(e\)"),
        ({"regions": ["EU", "other"]}, "regions", "own rule"),
    ],
)
def test_what_calls_for_care_is_a_warning_with_its_source(changes: dict[str, Any], entry: str, source: str) -> None:
    found = {finding.entry: finding for finding in check_gate(answers(**changes))}
    assert source.replace("\\", "") in found[entry].source


def test_outside_the_eu_no_opinion_on_the_ai_act_is_asked_for() -> None:
    check_gate(answers(regions=["US"], legal_opinion="", lawful_basis="", dpia_reference=""))


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"live_reading": ""}, False),
        ({"live_reading": "", "regions": ["US", "EU"]}, False),
        ({"live_reading": "", "regions": ["UK", "US", "other"]}, True),
        ({"live_reading": "", "purpose": "research simulation", "synthetic": True}, True),
    ],
)
def test_live_reading_is_off_in_the_eu_without_an_answer_of_its_own(changes: dict[str, Any], allowed: bool) -> None:
    study = answers(**changes)
    assert allows_live_reading(study) == allowed
    assert allowed == ("live_reading" not in {finding.entry for finding in check_gate(study)})


def test_all_refusals_are_named_at_once() -> None:
    with pytest.raises(LegalError) as refused:
        check_gate(Answers(purpose="scientific research", synthetic=False))
    for entry in ("regions", "minimum_age", "ethics_reference", "answered_by"):
        assert f"study.{entry}" in str(refused.value)


def test_every_question_has_an_entry_and_every_rule_a_question_and_a_source() -> None:
    assert list(QUESTIONS) == list(Answers.model_fields)
    for rule in RULES:
        assert rule.entry in QUESTIONS
        assert len(rule.source) > 10


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(ValidationError):
        Answers.model_validate({"regions": ["Atlantis"]})


def test_the_page_lists_every_question_and_rule() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for entry, question in QUESTIONS.items():
        assert f"| `{entry}` | {question} |" in page
    for rule in RULES:
        where = ", ".join(rule.regions) or "everywhere"
        assert f"| {where} | {rule.level} | `{rule.entry}` | {rule.says} | {rule.source} |" in page


def test_answers_in_words_say_what_is_not_answered() -> None:
    words = {entry: answer for entry, _, answer in Answers(regions=["EU", "UK"]).in_words()}
    assert words["regions"] == "EU, UK"
    assert words["synthetic"] == "yes"
    assert words["minimum_age"] == words["dpia_reference"] == "not answered"
