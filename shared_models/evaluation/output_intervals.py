"""How far the scores of an output that is not categorical would move with other people, drawn as in `bootstrap`."""

import numpy as np

from shared_models.data.sequences import Sequences
from shared_models.documented import Documented
from shared_models.evaluation.bootstrap import LEVEL, Interval, between
from shared_models.evaluation.outputs import scores_of
from shared_models.evaluation.resampling import DRAWS, SEED, Unit, draw, unit_of, units_of


class OutputIntervals(Documented):
    """Percentile intervals of the bootstrap."""

    level: float
    """the share of draws that lies in each interval"""
    draws: int
    """how many times the data was drawn anew"""
    seed: int
    """seed of the draws"""
    unit: Unit
    """what is drawn: people with all their sequences, or single sequences where nobody is named"""
    units: int
    """how many there are; a sequence of nobody named is one of its own"""
    figures: dict[str, list[Interval | None]]
    """of each figure of the scores, in their order; `null` for counts, and where there are fewer than two units"""


def output_intervals(
    answers: np.ndarray, sequences: Sequences, *, draws: int = DRAWS, seed: int = SEED
) -> OutputIntervals:
    """Of the scores of answers (N, K), drawn over people."""
    unit, targets, scheme = units_of(sequences.subjects), sequences.targets, sequences.scheme
    whole, units = scores_of(answers, targets, scheme).figures(), int(unit.max()) + 1
    drawn = []
    for often in (row for rows in draw(units, draws, seed) for row in rows) if units > 1 else ():
        some = np.repeat(np.arange(len(unit)), often[unit])
        drawn.append(scores_of(answers[some], targets[some], scheme).figures())
    return OutputIntervals(
        level=LEVEL,
        draws=draws,
        seed=seed,
        unit=unit_of(sequences.subjects),
        units=units,
        figures={
            name: [
                _between([own[name][place] for own in drawn if name in own]) if isinstance(figure, float) else None
                for place, figure in enumerate(figures)
            ]
            for name, figures in whole.items()
        },
    )


def _between(figures: list[float | int | None]) -> Interval | None:
    """None where no draw has the figure."""
    return between(np.array([np.nan if figure is None else figure for figure in figures]))
