"""What the privacy bought, and what attacks on it found."""

from datetime import date

from pydantic import NonNegativeFloat, NonNegativeInt

from fl_server.report.document.base import Group, Probability
from fl_server.report.document.promise import TradeOffPoint
from shared_models.evaluation.metrics import Metrics


class BaselineScores(Group):
    """The scores of something simpler, or of the same training without noise."""

    accuracy: Probability
    """the baseline's accuracy"""
    uar: Probability
    """its unweighted average recall"""
    macro_f1: Probability
    """its macro F1"""


class Interval(Group):
    """A 95 % confidence interval."""

    low: Probability
    """its lower end"""
    high: Probability
    """its upper end"""


class UtilityBias(Group):
    """What the privacy bought: the benchmark before and after training, by class."""

    benchmark: str
    """name of the held-out data"""
    split: str
    """how it was held out"""
    sequences: NonNegativeInt
    """how many sequences it has"""
    subject_disjoint: bool | None
    """whether its people are apart from those trained on; `null` where nobody is named"""
    before: Metrics
    """scores of the model that the federation started from: see Metrics"""
    after: Metrics
    """scores of the model now: see Metrics"""
    intervals: dict[str, Interval]
    """95 % confidence intervals of the scores now, by score"""
    baselines: dict[str, BaselineScores]
    """what the scores stand beside, by name"""
    epsilon_choice: str
    """who chose epsilon, and why"""


class Audit(Group):
    """An attack on the noise, carried out to see whether it is as strong as claimed. A lower bound only."""

    date: date
    """when it was carried out"""
    method: str
    """how"""
    canaries: NonNegativeInt
    """how many planted sequences"""
    mu: NonNegativeFloat
    """estimate of mu"""
    mu_low: float
    """lower end of its 95 % interval"""
    mu_high: float
    """upper end of its 95 % interval"""
    epsilon_low: NonNegativeFloat
    """epsilon that the attack shows to be spent at least"""
    points: list[TradeOffPoint]
    """what the attack found, by its rate of false alarms"""
    settings: str
    """the settings that it was carried out with"""
    limits: list[str]
    """what it cannot show"""


class Origin(Group):
    """Where a figure comes from."""

    field: str
    """path of the figure in this document, or of the group that holds it"""
    source: str
    """the record that it is read from"""
    how: str
    """how it follows from that record"""
