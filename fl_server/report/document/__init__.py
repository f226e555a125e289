"""The report as one typed document: all that its pages show comes from here.

`docs/report-schema.json` is its published schema and `docs/report.md` lists every field; both are written from these
classes by `python -m fl_server.report.schema`. Counts of people are bands. Epsilon is always the policy's worst case,
never what one person happened to spend: that would depend on their data.
"""

from pydantic import Field, model_validator

from fl_server.report.document.base import Group
from fl_server.report.document.identity import SCHEMA_VERSION, Legal, ReportInfo, Signature, Study
from fl_server.report.document.people import Consent, DataHandling, Trust
from fl_server.report.document.promise import Accounting, Claim, Mechanism, Tuning
from fl_server.report.document.record import Budget, Ledger
from fl_server.report.document.results import Audit, Origin, UtilityBias

__all__ = ["SCHEMA_VERSION", "Budget", "Claim", "Ledger", "Report", "Signature"]


class Report(Group):
    """The whole report. Its first claim is the one that the ledger counts and that the lay page explains."""

    report: ReportInfo
    """which report this is"""
    study: Study
    """what the study is, and who answers for it"""
    claims: list[Claim] = Field(min_length=1)
    """one entry for each observer and unit; the first is the one that the ledger counts"""
    mechanism: Mechanism
    """how an update is made private"""
    accounting: Accounting
    """how epsilon is counted"""
    tuning: Tuning
    """what choosing the settings cost"""
    unprotected: list[str] = Field(min_length=1)
    """sentences on what is outside every promise"""
    ledger: Ledger
    """the budget over a device's lifetime, and whether its record was verified"""
    trust: Trust
    """whom the promises rely on"""
    data: DataHandling
    """what is recorded, where it stays, for how long"""
    consent: Consent
    """what people agreed to, and how they leave"""
    utility_bias: UtilityBias
    """what the model scores, and for whom"""
    audit: Audit | None
    """an attack on the noise; `null` where none was carried out"""
    legal: Legal
    """the purpose, and what the operator answered"""
    provenance: list[Origin]
    """where each figure comes from"""

    @model_validator(mode="after")
    def _nothing_beyond_the_evidence(self) -> "Report":
        main, verification = self.claims[0], self.ledger.verification
        if self.report.status == "final" and (verification != "verified" or self.report.alerts):
            raise ValueError("a report is final only once its ledger is verified and nothing stands in the way")
        if verification == "failed" and any(claim.status == "holds" for claim in self.claims):
            raise ValueError("no claim holds where the ledger does not verify")
        if main.epsilon is not None and self.ledger.spent > main.epsilon:
            raise ValueError("the ledger has spent more than the first claim states")
        if (self.report.status == "final") != (self.report.signature is not None):
            raise ValueError("a final report is signed, and a draft is not")
        return self
