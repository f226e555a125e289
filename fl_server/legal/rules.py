"""The gate's rules: when each applies, what it says and where it comes from. Not legal advice.

A rule looks at the operator's answers alone. `refuse` keeps a federation from starting; `warn` is shown at the start
and printed in the report.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fl_server.legal.answers import Answers

_AI_ACT = (
    "Regulation (EU) 2024/1689 (AI Act), article 5(1)(f), in force since 2 February 2025: inferring the emotions of"
    " people in education institutions is prohibited except for medical or safety reasons"
)
_OWN = "Attune's own rule"
_ADULT, _US_LEAST = 18, 13


@dataclass(frozen=True)
class Rule:
    """One rule. `regions` is empty where it holds everywhere; `entry` is the answer that it is about."""

    level: Literal["refuse", "warn"]
    entry: str
    regions: tuple[str, ...]
    applies: Callable[[Answers], bool]
    says: str
    source: str

    def holds_for(self, answers: Answers) -> bool:
        """Whether the rule has something to say about these answers."""
        in_region = not self.regions or any(region in answers.regions for region in self.regions)
        return in_region and self.applies(answers)


def _unanswered(entry: str, says: str, source: str, *regions: str) -> Rule:
    return Rule("refuse", entry, regions, lambda answers: not getattr(answers, entry), says, source)


_EVERYWHERE = (
    Rule(
        "refuse", "purpose", (), lambda answers: answers.purpose == "research simulation",
        "a research simulation is for rendered faces only; where people take part the study has another purpose",
        _OWN,
    ),
    Rule(
        "refuse", "institutional_outputs", (), lambda answers: answers.institutional_outputs == "individual",
        "no teacher and no institution may get a view of a single person",
        f"{_AI_ACT}; and {_OWN.lower()} everywhere else",
    ),
    _unanswered("institutional_outputs", "what the institution gets to see is not answered", _OWN),
    _unanswered("regions", "where the people live is not answered", _OWN),
    _unanswered("minimum_age", "how old the youngest person may be is not answered", _OWN),
    _unanswered("investigator", "nobody is named who leads the study", _OWN),
    _unanswered("data_protection_officer", "nobody is named to write to about one's data", _OWN),
    _unanswered("ethics_reference", "there is no reference of an ethics approval", f"{_OWN}; US: 45 CFR 46.109"),
    _unanswered("answered_by", "nobody is named who answers for these answers", _OWN),
    _unanswered("answered_on", "the day of these answers is not recorded", _OWN),
    Rule(
        "warn", "minimum_age", (), lambda answers: 0 < answers.minimum_age < _ADULT,
        "minors may take part: obtain parental permission and the minor's assent",
        "US: 45 CFR 46.408; EU and UK: GDPR, article 8 and recital 38",
    ),
    Rule(
        "warn", "regions", (), lambda answers: "other" in answers.regions,
        "nothing is known here of the law of other regions: take local advice", _OWN,
    ),
)  # fmt: skip

_EU = (
    Rule(
        "refuse", "purpose", ("EU",), lambda answers: answers.purpose == "learning support",
        "emotions may not be inferred in education for this purpose; consent does not cure it", _AI_ACT,
    ),
    _unanswered(
        "legal_opinion",
        "no legal opinion is recorded that the study falls under scientific research, medical or safety reasons; it is"
        " needed in every mode, whoever sees the inference",
        _AI_ACT,
        "EU",
    ),
    Rule(
        "warn", "live_reading", ("EU",), lambda answers: not answers.live_reading,
        "no opinion is recorded that people may see what the model makes of them: live reading is off on every laptop",
        _AI_ACT,
    ),
)  # fmt: skip

_GDPR = (
    _unanswered("lawful_basis", "no lawful basis is named", "GDPR and UK GDPR, article 6(1)", "EU", "UK"),
    _unanswered(
        "dpia_reference", "no data protection impact assessment is named", "GDPR and UK GDPR, article 35", "EU", "UK"
    ),
    Rule(
        "warn", "special_category_basis", ("EU", "UK"), lambda answers: True,
        "treat face sequences and inferred emotions as special-category data and name a condition for it",
        "GDPR and UK GDPR, article 9",
    ),
    Rule(
        "warn", "lawful_basis", ("EU", "UK"), lambda answers: answers.lawful_basis == "consent",
        "consent is free only where saying no has no cost: a student depends on the institution",
        "GDPR and UK GDPR, article 7(4) and recital 43",
    ),
    Rule(
        "warn", "retention_schedule", ("EU", "UK"), lambda answers: not answers.retention_schedule,
        "no retention schedule is named", "GDPR and UK GDPR, article 5(1)(e)",
    ),
    Rule(
        "warn", "purpose", ("UK",), lambda answers: True,
        "the regulator warns organisations of emotion analysis: immature, and at risk of discriminating",
        "Information Commissioner's Office, statement of 26 October 2022 on immature biometric technologies",
    ),
)  # fmt: skip

_US = (
    Rule(
        "refuse", "minimum_age", ("US", "US-IL"), lambda answers: 0 < answers.minimum_age < _US_LEAST,
        "nobody under 13 may take part", "Children's Online Privacy Protection Rule, 16 CFR 312",
    ),
    Rule(
        "refuse", "parental_permission", ("US", "US-IL"),
        lambda answers: 0 < answers.minimum_age < _ADULT and not answers.parental_permission,
        "people under 18 may take part, and no way of obtaining parental permission and assent is named",
        "45 CFR 46.408",
    ),
    Rule(
        "warn", "education_records", ("US", "US-IL"), lambda answers: True,
        "facial characteristics are a biometric record: handle them as part of the education record",
        "Family Educational Rights and Privacy Act, 34 CFR 99.3",
    ),
    _unanswered(
        "written_release", "no written release is named",
        "Illinois Biometric Information Privacy Act, 740 ILCS 14/15(b)", "US-IL",
    ),
    _unanswered(
        "retention_schedule", "no published retention schedule is named",
        "Illinois Biometric Information Privacy Act, 740 ILCS 14/15(a)", "US-IL",
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = _EVERYWHERE + _EU + _GDPR + _US
