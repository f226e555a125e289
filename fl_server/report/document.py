"""The report as one typed document: all that the page shows comes from here, and docs/report.md lists it.

Counts of people are bands. Epsilon is always the policy's worst case, never what one person happened to
spend: that would depend on their data.
"""

from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    model_validator,
)

from fl_server.report.bands import Band
from shared_models.evaluation.metrics import Metrics

SCHEMA_VERSION: Literal["0.1"] = "0.1"

Observer = Literal["server", "participant", "model_recipient", "public"]
Unit = Literal["frame", "sequence", "participant"]
ClaimStatus = Literal["holds", "simulated", "assumption_broken", "not_claimed"]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReportInfo(_Group):
    """Which report this is. `final` needs a verified ledger; until then it is a draft."""

    schema_version: Literal["0.1"] = SCHEMA_VERSION
    id: str
    generated_at: AwareDatetime
    generator: str
    generator_version: str
    period_start: AwareDatetime | None
    period_end: AwareDatetime | None
    status: Literal["draft", "final"]
    supersedes: str | None = None


class Study(_Group):
    """What the study is, and who answers for it; None where the operator recorded nothing."""

    title: str
    controller: str | None
    investigator: str | None
    data_protection_officer: str | None
    ethics_reference: str | None
    regions: list[str]
    intended_use: str
    prohibited_uses: list[str]
    ages: str | None
    enrolled: Band


class Claim(_Group):
    """One promise to one unit against one observer, or the plain statement that there is none.

    A claim that neither holds nor is simulated carries no epsilon: `assumption` says why.
    """

    observer: Observer
    unit: Unit
    adjacency: str
    epsilon: NonNegativeFloat | None
    delta: Probability | None
    mu: NonNegativeFloat | None
    status: ClaimStatus
    assumption: str
    overlap: int = Field(ge=1)
    contribution_cap: str
    covers_all_checkpoints: bool

    @property
    def stated(self) -> bool:
        """Whether a number may be printed for it."""
        return self.status in ("holds", "simulated")

    @model_validator(mode="after")
    def _numbers_only_where_stated(self) -> "Claim":
        if self.stated and (self.epsilon is None or self.delta is None):
            raise ValueError("a claim that holds needs its epsilon and delta")
        if not self.stated and (self.epsilon is not None or self.mu is not None):
            raise ValueError("a claim without a guarantee carries no epsilon and no mu")
        return self


class Mechanism(_Group):
    """How an update is made private."""

    name: str
    trainable_part: str
    trained_parameters: NonNegativeInt
    noise_multiplier: NonNegativeFloat
    clip_norm: NonNegativeFloat
    sampling_rate: Probability
    steps_per_round: NonNegativeInt
    lifetime_steps: NonNegativeInt
    sampler_declared: str
    sampler_actual: str
    denominator: str
    random_generator: str
    versions: dict[str, str]


class Accounting(_Group):
    """How epsilon is counted. The figures belong to the first claim and are shown only where it stands."""

    accountant: str
    composition: str
    second_accountant: str | None
    second_epsilon: NonNegativeFloat | None
    epsilon_without_amplification: NonNegativeFloat | None
    delta_reason: str


class Debit(_Group):
    """What one round cost a device that took part in it and in every round before."""

    round: NonNegativeInt
    steps: NonNegativeInt
    noise_multiplier: NonNegativeFloat
    sampling_rate: Probability
    epsilon_after: NonNegativeFloat
    devices: Band


class SpentBand(_Group):
    """How many devices have spent an epsilon from `epsilon_from` up to `epsilon_to`."""

    epsilon_from: NonNegativeFloat
    epsilon_to: NonNegativeFloat
    devices: Band


class Ledger(_Group):
    """The budget of one device's lifetime, round by round, and whether the record of it was verified."""

    cap: PositiveFloat
    spent: NonNegativeFloat
    remaining: NonNegativeFloat
    debits: list[Debit]
    devices_by_spent: list[SpentBand]
    entries: NonNegativeInt
    chain_head: str
    verification: Literal["not_verified", "verified", "failed"]
    verification_detail: str
    verified_at: AwareDatetime | None


class Actor(_Group):
    """Somebody in the system: what they see, and what is relied on."""

    name: str
    sees: str
    trusted_to: str


class Trust(_Group):
    """Whom the promises rely on, and for what."""

    actors: list[Actor]
    assumptions: list[str]
    secure_sum: bool
    collusion: str


class DataHandling(_Group):
    """What is recorded, where it stays, and for how long."""

    synthetic: bool
    source: str
    leaves_device: list[str]
    stays_on_device: list[str]
    minimisation: list[str]
    resolution: str
    frames_per_sequence: NonNegativeInt
    retention: str
    encryption: str
    bystanders: str


class Consent(_Group):
    """What people agreed to, how many are in each state, and how one leaves."""

    text_hash: str
    scopes: list[str]
    states: dict[str, Band]
    withdrawals: Band
    erasures: Band
    erasure_time: str | None
    how_to_leave: list[str]


class BaselineScores(_Group):
    """The scores of something simpler, or of the same training without noise."""

    accuracy: Probability
    uar: Probability
    macro_f1: Probability


class UtilityBias(_Group):
    """What the privacy bought: the benchmark before and after training, by class."""

    benchmark: str
    split: str
    sequences: NonNegativeInt
    subject_disjoint: bool | None
    before: Metrics
    after: Metrics
    baselines: dict[str, BaselineScores]
    epsilon_choice: str


class GateAnswer(_Group):
    """One question of the legal gate, as the operator answered it."""

    question: str
    answer: str
    recorded_by: str | None
    recorded_at: AwareDatetime | None


class Legal(_Group):
    """The purpose that the federation runs under, and the answers that it was started with."""

    purpose: Literal["research simulation", "scientific research", "medical or safety"]
    dpia_reference: str | None
    gate: list[GateAnswer]


class Report(_Group):
    """The whole report. Its first claim is the one that the ledger counts and that the lay page explains."""

    report: ReportInfo
    study: Study
    claims: list[Claim] = Field(min_length=1)
    mechanism: Mechanism
    accounting: Accounting
    unprotected: list[str] = Field(min_length=1)
    ledger: Ledger
    trust: Trust
    data: DataHandling
    consent: Consent
    utility_bias: UtilityBias
    legal: Legal

    @model_validator(mode="after")
    def _nothing_beyond_the_evidence(self) -> "Report":
        main = self.claims[0]
        if self.report.status == "final" and self.ledger.verification != "verified":
            raise ValueError("a report is final only once its ledger is verified")
        if self.ledger.verification == "failed" and any(claim.status == "holds" for claim in self.claims):
            raise ValueError("no claim holds where the ledger does not verify")
        if main.epsilon is not None and self.ledger.spent > main.epsilon:
            raise ValueError("the ledger has spent more than the first claim states")
        return self
