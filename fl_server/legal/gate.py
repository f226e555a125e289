"""Refuses to start a study on people until its questions are answered, and says what the answers call for.

Central raw video, the United States row of the rules, needs no question: there is none to switch on.
"""

from dataclasses import dataclass

from fl_server.legal.answers import Answers
from fl_server.legal.rules import RULES, Rule
from shared_models.errors import LegalError


@dataclass(frozen=True)
class Finding:
    """One thing that a rule says about these answers."""

    level: str
    entry: str
    says: str
    source: str

    @property
    def sentence(self) -> str:
        return f"study.{self.entry}: {self.says} ({self.source})"


def findings(answers: Answers) -> list[Finding]:
    """What the rules say, refusals first; nothing for a simulation with synthetic data."""
    if answers.is_synthetic_simulation:
        return []
    found = [_finding(rule) for rule in RULES if rule.holds_for(answers)]
    return sorted(found, key=lambda finding: finding.level != "refuse")


def check_gate(answers: Answers) -> list[Finding]:
    """The warnings to show; raises LegalError naming every refusal and its source."""
    found = findings(answers)
    refusals = [finding.sentence for finding in found if finding.level == "refuse"]
    if refusals:
        raise LegalError(
            "The study may not start",
            why="; ".join(refusals),
            fix="Answer or change these entries of [study] in federation.toml; docs/legal-gate.md explains each",
        )
    return found


def allows_live_reading(answers: Answers) -> bool:
    """Whether laptops may show people what the model makes of them: one answer, for none of them says where it is."""
    return all(finding.entry != "live_reading" for finding in findings(answers))


def _finding(rule: Rule) -> Finding:
    return Finding(rule.level, rule.entry, rule.says, rule.source)
