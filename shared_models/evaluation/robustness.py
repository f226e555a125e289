"""What a model loses where light, camera or view are poor: its scores on each corrupted form of a benchmark."""

from collections.abc import Callable

import numpy as np

from shared_models.data.sequences import Sequences
from shared_models.documented import Documented
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.corruptions import CORRUPTIONS, DROPPED_FRAMES, Corruption, corrupt
from shared_models.evaluation.metrics import score
from shared_models.evaluation.resampling import (
    DRAWS,
    UNIT_WORDS,
    Estimate,
    Unit,
    accuracy,
    count_by_unit,
    estimate,
    interval_words,
    macro_f1,
    uar,
    unit_of,
    units_of,
)
from shared_models.evaluation.sheets import ABSENT, Row, Sheet
from shared_models.networks.model import EmotionModel

Progress = Callable[[str, int, int], None]
_STAGE = "robustness"
_COMPARED = {"accuracy": accuracy, "uar": uar, "macro_f1": macro_f1}


class SliceScores(Documented):
    """What a model scores on one form of the benchmark."""

    accuracy: float
    """share of sequences classified right"""
    uar: float
    """unweighted average recall over the classes present"""
    macro_f1: float
    """mean F1 over the classes present"""
    ece: float
    """expected calibration error, 15 bins"""


class Change(Documented):
    """Corrupted minus clean."""

    accuracy: Estimate
    """of the accuracy; below 0 where the model loses"""
    uar: Estimate
    """of the average recall"""
    macro_f1: Estimate
    """of the mean F1"""
    ece: float
    """of the calibration error; above 0 where the model loses"""


class Slice(Documented):
    """One corruption at one severity."""

    slice: str
    """what happens to the picture, such as `blur`"""
    severity: str
    """how much of it, in its own unit"""
    scores: SliceScores
    """on the corrupted benchmark"""
    change: Change
    """against the clean one, with paired intervals"""


class Robustness(Documented):
    """The scores on the benchmark as it is, and on each corrupted form of it."""

    sequences: int
    """how many the benchmark has"""
    unit: Unit
    """what the intervals draw: people with all their sequences, or single sequences where nobody is named"""
    units: int
    """how many of these there are"""
    stills: bool
    """whether the benchmark is of stills, for which lost frames cannot matter and are left out"""
    clean: SliceScores
    """on the benchmark as it is"""
    slices: tuple[Slice, ...]
    """one for each corruption and severity, in the order of the table in docs/robustness.md"""


def measure_robustness(
    model: EmotionModel,
    benchmark: Sequences,
    clean: np.ndarray,
    *,
    stills: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> Robustness:
    """Scores `model`, whose output is categorical, on each corrupted form of `benchmark`: a pass over it for each.

    clean:  (N, K), what `Benchmark.probabilities` says of the model
    stills: the sequences are stills before a moving camera
    """
    chosen = [corruption for corruption in CORRUPTIONS if not (stills and corruption.slice == DROPPED_FRAMES)]
    slices = list[Slice]()

    def follow(done: int, total: int) -> None:
        progress(_STAGE, len(slices) * total + done, len(chosen) * total)

    for corruption in chosen:
        seen = Benchmark(corrupt(benchmark, corruption)).probabilities(model, progress=follow)
        slices.append(_slice(corruption, clean, seen, benchmark))
    return Robustness(
        sequences=len(benchmark),
        unit=unit_of(benchmark.subjects),
        units=len(set(units_of(benchmark.subjects))),
        stills=stills,
        clean=_scores(clean, benchmark),
        slices=tuple(slices),
    )


def robustness_sheet(facts: Robustness) -> Sheet:
    """One row a corruption and severity, below that of the clean benchmark."""
    clean = ("clean", ABSENT, f"{facts.clean.uar:.3f}", f"{facts.clean.macro_f1:.3f}", ABSENT, ABSENT)
    drawn = f"{facts.units} {UNIT_WORDS[facts.unit]}"
    note = f"Change: of the UAR, against clean. 95 %: paired bootstrap over {drawn}, {DRAWS} draws."
    if facts.stills:
        note += " Lost frames are left out: they cannot matter for stills."
    headings = ("Slice", "Severity", "UAR", "Macro F1", "Change", "95 %")
    return Sheet("Robustness", headings, [clean, *map(_row, facts.slices)], note)


def _row(part: Slice) -> Row:
    scores, change = part.scores, part.change.uar
    own = f"{scores.uar:.3f}", f"{scores.macro_f1:.3f}"
    return part.slice, part.severity, *own, f"{change.value:+.3f}", interval_words(change, "+.3f")


def _slice(corruption: Corruption, clean: np.ndarray, seen: np.ndarray, benchmark: Sequences) -> Slice:
    units, targets = units_of(benchmark.subjects), benchmark.labels
    after, before = (count_by_unit(targets, probabilities, units) for probabilities in (seen, clean))
    changes = {
        name: estimate(lambda new, old, of=of: of(new) - of(old), after, before) for name, of in _COMPARED.items()
    }
    scores = _scores(seen, benchmark)
    return Slice(
        slice=corruption.slice,
        severity=corruption.severity,
        scores=scores,
        change=Change(**changes, ece=scores.ece - _scores(clean, benchmark).ece),
    )


def _scores(probabilities: np.ndarray, benchmark: Sequences) -> SliceScores:
    metrics = score(probabilities, benchmark.labels, benchmark.scheme.classes)
    return SliceScores(accuracy=metrics.accuracy, uar=metrics.uar, macro_f1=metrics.macro_f1, ece=metrics.ece)
