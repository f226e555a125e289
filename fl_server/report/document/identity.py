"""Which report this is, which study it is about, and what was answered before it began."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from fl_server.legal.answers import Purpose
from fl_server.report.bands import Band
from fl_server.report.document.base import Group

SCHEMA_VERSION: Literal["1.0"] = "1.0"


class Signature(Group):
    """The server's signature over the canonical JSON of the report, in which this field is null."""

    algorithm: Literal["Ed25519"] = "Ed25519"
    """the kind of signature"""
    public_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """the key that checks it, in hex: that which signs the server's ledger"""
    value: Annotated[str, Field(pattern="^[0-9a-f]{128}$")]
    """the signature, in hex"""


class ReportInfo(Group):
    """Which report this is."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    """version of this list of fields"""
    id: str
    """name of the report, unique in the federation"""
    generated_at: AwareDatetime
    """when it was made"""
    generator: str
    """the program that made it"""
    generator_version: str
    """that program's version"""
    period_start: AwareDatetime | None
    """time of the first event that it covers"""
    period_end: AwareDatetime | None
    """time of the last event that it covers"""
    status: Literal["draft", "final"]
    """`final` once the ledger is verified and nothing stands in the way; until then `draft`"""
    alerts: list[str]
    """what a reader must know first; printed in the first lines, and each keeps the report a draft"""
    supersedes: str | None = None
    """id of the report that this one replaces"""
    signature: Signature | None = None
    """the server's signature; a draft has none"""


class Study(Group):
    """What the study is, and who answers for it."""

    id: str
    """the study's name in every ledger event"""
    title: str
    """its title"""
    controller: str | None
    """the organisation that is the data controller"""
    investigator: str | None
    """the person who leads the study"""
    data_protection_officer: str | None
    """whom a participant may write to about their data"""
    ethics_reference: str | None
    """the ethics board's reference"""
    regions: list[str]
    """where the participants are"""
    intended_use: str
    """what the model may be used for"""
    prohibited_uses: list[str]
    """what it may not be used for"""
    ages: str | None
    """the ages admitted"""
    enrolled: Band
    """devices enrolled, as a band"""


class GateAnswer(Group):
    """One question of the legal gate, as the operator answered it."""

    entry: str
    """the entry of `[study]` that holds the answer"""
    question: str
    """the question"""
    answer: str
    """the operator's answer"""


class GateFinding(Group):
    """What a rule of the legal gate says about the answers."""

    level: Literal["refuse", "warn"]
    """`refuse` keeps a federation from starting"""
    entry: str
    """the answer that it is about"""
    says: str
    """what it says"""
    source: str
    """the law or rule that it comes from"""


class SignOff(Group):
    """Somebody who put their name to the study."""

    role: str
    """in which role"""
    name: str
    """who, or under which reference"""
    on: str | None
    """on which day"""


class Legal(Group):
    """The purpose that the federation runs under, and the answers that it was started with."""

    purpose: Purpose
    """what the study is for"""
    dpia_reference: str | None
    """reference of the data protection impact assessment"""
    gate: list[GateAnswer]
    """the questions that had to be answered before the start; none for a simulation"""
    findings: list[GateFinding]
    """what the rules say about the answers"""
    sign_offs: list[SignOff]
    """who put their name to the study"""
