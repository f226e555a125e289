"""What an evaluation comes to: the JSON of `fl-server evaluate`, from which every page is made."""

from typing import Literal

from fl_server.evaluation.explaining import Examples
from shared_models.documented import Documented
from shared_models.evaluation.bootstrap import Intervals
from shared_models.evaluation.calibration import ReliabilityBin
from shared_models.evaluation.groups import Trait
from shared_models.evaluation.output_intervals import OutputIntervals
from shared_models.evaluation.outputs import OutputScores
from shared_models.evaluation.robustness import Robustness
from shared_models.evaluation.scores import Scores


class Data(Documented):
    """What the model was scored on."""

    spec: str
    """the data source"""
    split: str
    """which part of it, in words"""
    scheme: str
    """name of the label scheme"""
    subject_disjoint: bool | None
    """whether nobody in this split was trained on; `null` where that is not known"""
    sequences: int
    """how many sequences were scored"""
    subjects: int | None
    """of how many people; `null` where not everybody is named"""
    trained_on: int | None
    """sequences that the weights were trained on before any device, and that were left out; `null` where not known"""


class Model(Documented):
    """What was scored."""

    name: str
    """the model's name"""
    parameters: int
    """how many it has"""
    trainable: str
    """the part that the federation trains"""
    trained_parameters: int
    """how many parameters that part has"""
    source: Literal["round", "initial", "weights"]
    """a round of the federation, the weights that it starts from, or a weights file"""
    round: int | None
    """the round; `null` for other sources"""
    hash: str
    """SHA-256 of the weights"""
    training_data: str
    """what the weights were trained on before any device, in words"""


class Selection(Documented):
    """How the model came to be the one, so that a reader can judge whether its scores were sought out."""

    how: str
    """how it was chosen"""
    by_scores: bool
    """whether by the scores of rounds"""
    data: str
    """the data source that the federation's rounds are scored on, on its part to choose on"""
    same_data: bool
    """whether choosing and reporting fell on the same data: such scores are too good to be believed as they stand"""


class BaselineScores(Documented):
    """The scores of answers that need no picture."""

    accuracy: float
    """the baseline's accuracy"""
    uar: float
    """its unweighted average recall"""
    macro_f1: float
    """its macro F1"""


class Baselines(Documented):
    """What the scores stand beside."""

    majority: BaselineScores
    """always the most frequent class of the scored data"""
    per_person: BaselineScores | None
    """for each person the class that this person shows most often; `null` where not everybody is named"""


class _Evaluated(Documented):
    """One model on one data source."""

    study: str
    """title of the federation's study"""
    data: Data
    """what it was scored on"""
    model: Model
    """what was scored"""
    selection: Selection
    """how the model was chosen"""


class Evaluation(_Evaluated):
    """Of a model that tells one class a sequence."""

    metrics: Scores
    """its scores"""
    intervals: Intervals
    """how far they would move with other people"""
    baselines: Baselines
    """what they stand beside"""
    reliability: list[ReliabilityBin]
    """how often the model is right, by its confidence"""
    traits: tuple[Trait, ...]
    """scores of the groups that the data names, and the gaps between them; empty where it names none"""
    robustness: Robustness | None
    """scores on each corrupted form of the data; `null` where they were not asked for"""
    explained: Examples | None
    """what the model looked at in a few sequences; `null` where that was not asked for"""


class OutputEvaluation(_Evaluated):
    """Of a model with another output: several classes at once, levels or values."""

    scores: OutputScores
    """its scores, and those of guesses"""
    intervals: OutputIntervals
    """how far they would move with other people"""
