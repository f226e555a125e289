"""The tables of an evaluation."""

from dataclasses import replace

import numpy as np

from fl_server.evaluation.facts import Evaluation, OutputEvaluation
from shared_models.evaluation.bootstrap import Interval, Intervals
from shared_models.evaluation.output_intervals import OutputIntervals
from shared_models.evaluation.outputs import output_sheet
from shared_models.evaluation.resampling import WITHOUT_WIDTH
from shared_models.evaluation.sheets import ABSENT, Row, Sheet

_MISTAKES = 6
_NAMES = {
    "accuracy": "Accuracy",
    "uar": "Average recall (UAR)",
    "macro_f1": "Macro F1",
    "ece": "Calibration error (ECE)",
}


def scores_sheet(facts: Evaluation) -> Sheet:
    """The whole, beside the baselines that there are."""
    beside = [("Majority", facts.baselines.majority, "Majority: always the most frequent class.")]
    if facts.baselines.per_person is not None:
        words = "Own mode: for each person the class that this person shows most often."
        beside.append(("Own mode", facts.baselines.per_person, words))
    rows = []
    for score, name in _NAMES.items():
        own = _figure(getattr(facts.metrics, score)), _between(getattr(facts.intervals, score))
        rows.append((name, *own, *(_figure(getattr(baseline, score, None)) for _, baseline, _ in beside)))
    return Sheet(
        "The whole, beside answers that need no picture",
        ("Score", "Value", "95 %", *(heading for heading, _, _ in beside)),
        rows,
        " ".join([_drawn(facts.intervals), *(words for _, _, words in beside), _spread(facts)]).strip(),
    )


def outputs_sheet(facts: OutputEvaluation) -> Sheet:
    """Scores by class, state or dimension and for their mean, each with its interval and beside those of guesses."""
    sheet, drawn = output_sheet(facts.scores), facts.intervals
    between = {name: (f"{name}, 95 %", *map(_narrow, found)) for name, found in drawn.figures.items() if found}
    rows = [row for own in sheet.rows for row in (own, between.get(own[0])) if row]
    return replace(sheet, rows=rows, note=f"{sheet.note} {_drawn(drawn)}")


def emotions_sheet(facts: Evaluation) -> Sheet:
    """Each class against the rest."""
    rows: list[Row] = []
    for name, scores in facts.metrics.per_class.items():
        if scores.support:
            figures = map(_figure, (scores.accuracy, scores.precision, scores.recall, scores.f1))
            rows.append((name, *figures, _between(facts.intervals.per_class[name].f1), str(scores.support)))
        else:
            rows.append((name, *[ABSENT] * 5, "0"))
    return Sheet(
        "Each emotion against the rest",
        ("Emotion", "Accuracy", "Precision", "Recall", "F1", "F1, 95 %", "Support"),
        rows,
        "Accuracy is the share of all sequences that are rightly called so or rightly not: it is high for every rare"
        " emotion." + _certain(facts.intervals),
    )


def mistakes_sheet(facts: Evaluation) -> Sheet:
    """The confusions that are the largest shares of their class."""
    counts, classes = np.array(facts.metrics.confusion), list(facts.metrics.per_class)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    largest = np.argsort(-shares, axis=None, kind="stable")[:_MISTAKES]
    pairs = [(place // len(classes), place % len(classes)) for place in largest if shares.flat[place] > 0]
    rows = [
        (f"{classes[true]} taken for {classes[called]}", str(counts[true, called]), f"{shares[true, called]:.0%}")
        for true, called in pairs
    ]
    return Sheet("Most frequent mistakes", ("Mistake", "Sequences", "Of its class"), rows)


def _figure(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"


def _between(interval: Interval | None) -> str:
    return ABSENT if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def _narrow(interval: Interval | None) -> str:
    """With two places, such as `.69 to .97`: six of them stand side by side."""
    if interval is None:
        return ABSENT
    return " to ".join(f"{end:.2f}".replace("0.", ".") for end in (interval.low, interval.high))


def _drawn(intervals: Intervals | OutputIntervals) -> str:
    if intervals.units < 2:
        return "There is only one person, so nothing can be said of others."
    if intervals.unit == "subject":
        return f"95 %: bootstrap over {intervals.units} people, {intervals.draws} draws."
    return f"95 %: bootstrap over {intervals.units} sequences, {intervals.draws} draws, since nobody is named."


def _certain(intervals: Intervals) -> str:
    of_f1 = [scores.f1 for scores in intervals.per_class.values() if scores.f1]
    if all(interval.low < interval.high for interval in of_f1):
        return ""
    return f" {WITHOUT_WIDTH}"


def _spread(facts: Evaluation) -> str:
    spread = facts.metrics.by_subject
    if spread is None:
        return ""
    return (
        f"Accuracy of each person on their own: lowest {spread.minimum:.2f}, middle {spread.median:.2f}, highest"
        f" {spread.maximum:.2f}, of {spread.subjects} people."
    )
