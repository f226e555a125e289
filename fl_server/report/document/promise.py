"""What is promised, how it is brought about and how it is counted."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from fl_server.report.document.base import ClaimStatus, Group, Observer, Probability, Unit


class CurvePoint(Group):
    """One point of the curve of all (epsilon, delta) that hold at once."""

    epsilon: NonNegativeFloat
    """an epsilon"""
    delta: Probability
    """the smallest delta that holds with it"""


class TradeOffPoint(Group):
    """What an attacker finds at a rate of false alarms."""

    false_alarms: Probability
    """share of non-members that the attacker takes for members"""
    detected: Probability
    """share of members that the best attacker finds at that rate"""


class Claim(Group):
    """One promise to one unit against one observer, or the plain statement that there is none.

    A claim that neither holds nor is simulated carries no figure: `assumption` says why.
    """

    observer: Observer
    """who tries to find something out"""
    unit: Unit
    """what is protected"""
    adjacency: str
    """in what two neighbouring data sets differ"""
    epsilon: NonNegativeFloat | None
    """the policy's worst case over a lifetime, never what one person spent; `null` where there is no guarantee"""
    epsilon_without_amplification: NonNegativeFloat | None
    """epsilon if sampling hid nothing; the same where every unit takes part in every step"""
    delta: Probability | None
    """the probability that goes with epsilon"""
    mu: NonNegativeFloat | None
    """the same promise as mu of Gaussian differential privacy, where it is exact"""
    advantage: Probability | None
    """by how much the best guesser's hit rate exceeds its false alarms, at most"""
    curve: list[CurvePoint]
    """delta by epsilon; empty where there is no guarantee"""
    trade_off: list[TradeOffPoint]
    """what the best attacker finds, by false alarms; empty where there is no guarantee"""
    status: ClaimStatus
    """`holds`, `simulated`, `assumption_broken` or `not_claimed`"""
    assumption: str
    """what the promise rests on, or why there is none"""
    overlap: int = Field(ge=1)
    """in how many stored sequences one frame may lie"""
    contribution_cap: str
    """how much one unit or device may contribute"""
    covers_all_checkpoints: bool
    """whether it covers every published model, or the last one only"""

    @property
    def stated(self) -> bool:
        """Whether a number may be printed for it."""
        return self.status in ("holds", "simulated")

    @model_validator(mode="after")
    def _numbers_only_where_stated(self) -> "Claim":
        if self.stated and (self.epsilon is None or self.delta is None or self.advantage is None):
            raise ValueError("a claim that holds needs its epsilon and delta, and the advantage they allow")
        figures = (self.epsilon, self.epsilon_without_amplification, self.mu, self.advantage)
        if not self.stated and (any(figure is not None for figure in figures) or self.curve or self.trade_off):
            raise ValueError("a claim without a guarantee carries no epsilon, no mu and no curve")
        return self


class Noise(Group):
    """The noise that protects one unit."""

    unit: Unit
    """what it protects"""
    noise_multiplier: NonNegativeFloat
    """its standard deviation, in clip norms"""
    clip_norm: NonNegativeFloat
    """the largest norm that one unit's contribution may have"""
    sampling_rate: Probability
    """probability that a unit takes part in a step; 1 where all do"""
    steps_per_round: NonNegativeInt
    """how often it is added in a round"""
    lifetime_steps: NonNegativeInt
    """how often it is added, at most, over a device's life"""


class Mechanism(Group):
    """How an update is made private."""

    name: str
    """name of the method"""
    trainable_part: str
    """which part of the model is trained"""
    trained_parameters: NonNegativeInt
    """how many parameters that is"""
    noise: list[Noise]
    """one entry for each unit that noise protects; the first is that of the first claim"""
    sampler_declared: str
    """the sampler that the accounting assumes"""
    sampler_actual: str
    """the sampler that ran"""
    denominator: str
    """what the noised sum is divided by; never derived from the private count"""
    random_generator: str
    """where the noise's randomness comes from"""
    versions: dict[str, str]
    """versions of the libraries, by name"""


class SecondOpinion(Group):
    """Another accountant's figure for the first claim."""

    accountant: str
    """its name"""
    epsilon: NonNegativeFloat
    """its epsilon"""
    difference: float
    """by which share it lies above the claimed epsilon"""


class Accounting(Group):
    """How epsilon is counted. The figures belong to the first claim and are shown only where it stands."""

    accountant: str
    """the accountant whose figure is claimed"""
    composition: str
    """over what it composes"""
    second_opinions: list[SecondOpinion]
    """what other accountants say; empty where there is no guarantee"""
    agreement: str
    """whether a second exact accountant agrees, and within what"""
    delta_reason: str
    """why this delta"""


class Tuning(Group):
    """What choosing the settings cost: trying settings on private data spends budget too."""

    data: str
    """on which data the settings were chosen"""
    charged_epsilon: NonNegativeFloat
    """what the choice cost the participants; 0 where public or rendered data only was used"""
    statement: str
    """the same in words"""
