"""Whom a model serves worse: its scores on each group of people that the data names, and the gap between them.

Numbers are given where a group is large enough to carry them; those of a small one would also speak of single people.
"""

from functools import partial

import numpy as np

from shared_models.data.sequences import Sequences
from shared_models.documented import Documented
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

MIN_SUBJECTS, MIN_SEQUENCES, MIN_CLASSES = 5, 20, 2


class GroupScores(Documented):
    """What a model scores on one group."""

    subjects: int
    """how many people; a sequence of nobody named counts as one"""
    sequences: int
    """how many of theirs there are"""
    accuracy: Estimate
    """share of them classified right"""
    uar: Estimate
    """mean recall of the classes that are compared"""
    macro_f1: Estimate
    """mean F1 of the classes that are compared"""


class Group(Documented):
    """The people of one value of a trait, such as `female`."""

    value: str
    """as the data has it"""
    scores: GroupScores | None
    """`null` where there are too few people, sequences or classes to judge"""


class Gap(Documented):
    """How far the group that is served worst lies behind the one that is served best."""

    best: str
    """the group with the highest average recall"""
    worst: str
    """the group with the lowest"""
    uar: Estimate
    """of the best minus of the worst; the interval is of these two, and goes below 0 where draws turn them around"""


class Trait(Documented):
    """What the data tells people apart by, such as `gender`."""

    name: str
    """as the data has it"""
    unit: Unit
    """what the intervals draw: people with all their sequences, or single sequences where nobody is named"""
    classes: tuple[str, ...]
    """those that are compared: each group that is judged has sequences of them"""
    unknown: int
    """sequences of which the data does not say it; they are in no group"""
    groups: tuple[Group, ...]
    """in the order of their values"""
    gap: Gap | None
    """`null` where fewer than two groups are judged"""


def measure_groups(probabilities: np.ndarray, benchmark: Sequences) -> tuple[Trait, ...]:
    """One entry for each trait that `benchmark` names, in the order of their names.

    probabilities: (N, K), one row a sequence of `benchmark`
    """
    return tuple(_measure(name, probabilities, benchmark) for name in sorted(benchmark.groups))


def trait_sheet(trait: Trait) -> Sheet:
    """One row a group."""
    notes = [
        f"95 %: bootstrap over {UNIT_WORDS[trait.unit]}, {DRAWS} draws.",
        f"UAR and macro F1: over the {len(trait.classes)} classes that all judged groups have."
        if trait.classes
        else "",
        f"Gap: {trait.gap.best} minus {trait.gap.worst}." if trait.gap else "",
        f"Too few: under {MIN_SUBJECTS} people, {MIN_SEQUENCES} sequences or {MIN_CLASSES} classes in common.",
    ]
    headings = (trait.name.capitalize(), "People", "Sequences", "Accuracy", "UAR", "95 %", "Macro F1")
    rows = [*map(_row, trait.groups), *([_gap_row(trait.gap)] if trait.gap else [])]
    return Sheet(f"Groups by {trait.name}", headings, rows, " ".join(filter(None, notes)))


def _row(group: Group) -> Row:
    own = group.scores
    if own is None:
        return group.value, "too few", *[ABSENT] * 5
    return (
        group.value,
        str(own.subjects),
        str(own.sequences),
        f"{own.accuracy.value:.3f}",
        f"{own.uar.value:.3f}",
        interval_words(own.uar),
        f"{own.macro_f1.value:.3f}",
    )


def _gap_row(gap: Gap) -> Row:
    return "gap", *[ABSENT] * 3, f"{gap.uar.value:.3f}", interval_words(gap.uar), ABSENT


def _measure(name: str, probabilities: np.ndarray, benchmark: Sequences) -> Trait:
    values, units = np.array(benchmark.groups[name], dtype=object), units_of(benchmark.subjects)
    counts = {
        value: count_by_unit(benchmark.labels, probabilities, units, values == value)
        for value in sorted({value for value in values if value is not None})
    }
    judged = {value: own for value, own in counts.items() if _is_large(own)}
    classes = _classes_of_all(list(judged.values()))
    if len(classes) < MIN_CLASSES:
        judged, classes = {}, []
    scores = {value: _scores(own, classes) for value, own in judged.items()}
    return Trait(
        name=name,
        unit=unit_of(benchmark.subjects),
        classes=tuple(benchmark.scheme.classes[i] for i in classes),
        unknown=sum(value is None for value in values),
        groups=tuple(Group(value=value, scores=scores.get(value)) for value in counts),
        gap=_gap(scores, judged, classes) if len(scores) > 1 else None,
    )


def _subjects(counts: np.ndarray) -> int:
    return int((counts.sum(axis=(1, 2)) > 0).sum())


def _is_large(counts: np.ndarray) -> bool:
    return _subjects(counts) >= MIN_SUBJECTS and counts.sum() >= MIN_SEQUENCES


def _classes_of_all(judged: list[np.ndarray]) -> list[int]:
    """Indices of the classes that each has: over other classes, groups would face tasks of different difficulty."""
    if not judged:
        return []
    present = [own.sum(axis=(0, 2)) > 0 for own in judged]
    return [int(i) for i in np.flatnonzero(np.all(present, axis=0))]


def _scores(counts: np.ndarray, classes: list[int]) -> GroupScores:
    return GroupScores(
        subjects=_subjects(counts),
        sequences=int(counts.sum()),
        accuracy=estimate(accuracy, counts),
        uar=estimate(partial(uar, among=classes), counts),
        macro_f1=estimate(partial(macro_f1, among=classes), counts),
    )


def _gap(scores: dict[str, GroupScores], counts: dict[str, np.ndarray], classes: list[int]) -> Gap:
    ranked = sorted(scores, key=lambda value: scores[value].uar.value)
    worst, best = ranked[0], ranked[-1]
    difference = estimate(
        lambda better, worse: uar(better, among=classes) - uar(worse, among=classes), counts[best], counts[worst]
    )
    return Gap(best=best, worst=worst, uar=difference)
