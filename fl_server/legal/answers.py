"""What the operator answers under `[study]` in `federation.toml`. An empty text, list or 0 is no answer."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Purpose = Literal["research simulation", "scientific research", "medical or safety", "learning support"]
Region = Literal["EU", "UK", "US", "US-IL", "other"]

QUESTIONS: dict[str, str] = {
    "purpose": "What is the study for?",
    "synthetic": "Is every face rendered, so that nobody is filmed?",
    "regions": "Where do the people who take part live?",
    "minimum_age": "How old is the youngest person who may take part?",
    "institutional_outputs": "What does the institution get to see beside the model and this report?",
    "investigator": "Who leads the study?",
    "data_protection_officer": "Whom may a participant write to about their data?",
    "ethics_reference": "Under which reference did an ethics board approve the study?",
    "legal_opinion": "Which recorded legal opinion says that the study may infer emotions in education?",
    "live_reading": "Which recorded opinion lets people see what the model makes of them?",
    "lawful_basis": "On which lawful basis is personal data processed (GDPR, article 6)?",
    "special_category_basis": "On which condition is special-category data processed (GDPR, article 9)?",
    "dpia_reference": "Which data protection impact assessment covers the study?",
    "parental_permission": "How are parental permission and the minor's assent obtained?",
    "education_records": "How are facial characteristics handled as an education record (FERPA)?",
    "written_release": "Which written release do people in Illinois sign (BIPA)?",
    "retention_schedule": "Where is the retention schedule published?",
    "answered_by": "Who answered these questions?",
    "answered_on": "On which day were they answered?",
}


class Answers(BaseModel):
    """The operator's answers; `QUESTIONS` has the question behind each entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Purpose = "research simulation"
    synthetic: bool = True
    regions: list[Region] = []
    minimum_age: Annotated[int, Field(ge=0, le=120)] = 0
    institutional_outputs: Literal["", "none", "aggregate", "individual"] = ""
    investigator: str = ""
    data_protection_officer: str = ""
    ethics_reference: str = ""
    legal_opinion: str = ""
    live_reading: str = ""
    lawful_basis: Literal[
        "", "consent", "contract", "legal obligation", "vital interests", "public task", "legitimate interests"
    ] = ""
    special_category_basis: Literal["", "explicit consent", "scientific research", "medical purposes"] = ""
    dpia_reference: str = ""
    parental_permission: str = ""
    education_records: str = ""
    written_release: str = ""
    retention_schedule: str = ""
    answered_by: str = ""
    answered_on: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = ""

    @property
    def is_synthetic_simulation(self) -> bool:
        """Whether nobody is filmed and nothing is claimed about anybody: then no question needs an answer."""
        return self.purpose == "research simulation" and self.synthetic

    def in_words(self) -> list[tuple[str, str, str]]:
        """(entry, question, answer) for each question; unanswered ones say so."""
        return [(entry, question, _in_words(getattr(self, entry))) for entry, question in QUESTIONS.items()]


def _in_words(answer: Any) -> str:
    match answer:
        case bool():
            return "yes" if answer else "no"
        case list():
            return ", ".join(answer) or "not answered"
        case _:
            return str(answer or "not answered")
