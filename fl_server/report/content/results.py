"""For the reviewer: what the model is worth, and for whom."""

from fl_server.report.blocks import Block, Cell, Facts, Heading, Table, cells
from fl_server.report.content.words import sources
from fl_server.report.document import Report
from fl_server.report.document.results import UtilityBias
from fl_server.report.figures.benchmark import benchmark_bars
from shared_models.evaluation.metrics import SubjectSpread

_SCORES = {
    "accuracy": "Accuracy",
    "uar": "Unweighted average recall",
    "macro_f1": "Macro F1",
    "log_loss": "Log loss",
    "ece": "Calibration error",
}
_PEOPLE = {"minimum": "Worst served", "median": "Middle", "maximum": "Best served"}
_APART = {True: "yes", False: "no", None: "unknown: the data names nobody"}


def results(document: Report) -> list[Block]:
    """Scores before and after, beside baselines, by class and by person."""
    utility = document.utility_bias
    blocks: list[Block] = [
        Heading("Usefulness, and for whom"),
        Facts(
            [
                ("Benchmark", utility.benchmark),
                ("Split", utility.split),
                ("Recordings", str(utility.sequences)),
                ("People apart from training", _APART[utility.subject_disjoint]),
                ("Who chose epsilon, and why", utility.epsilon_choice),
            ]
        ),
        benchmark_bars(utility.before, utility.after),
        _overall(utility),
        Table(
            "What the scores stand beside",
            ["Baseline", "Accuracy", "Unweighted average recall", "Macro F1"],
            [
                cells(name.replace("_", " "), f"{b.accuracy:.3f}", f"{b.uar:.3f}", f"{b.macro_f1:.3f}")
                for name, b in utility.baselines.items()
            ],
            numeric=[1, 2, 3],
        ),
        _by_class(utility),
    ]
    if utility.before.by_subject and utility.after.by_subject:
        blocks.append(_by_person(utility.before.by_subject, utility.after.by_subject))
    return [*blocks, sources(document, "utility_bias")]


def _overall(utility: UtilityBias) -> Table:
    rows = []
    for key, name in _SCORES.items():
        before, after = getattr(utility.before, key), getattr(utility.after, key)
        interval = utility.intervals.get(key)
        between = f"{interval.low:.3f} to {interval.high:.3f}" if interval else ""
        rows.append([*cells(name, f"{before:.3f}"), Cell(f"{after:.3f}", between), Cell(f"{after - before:+.3f}")])
    return Table(
        "Scores over all classes, with their confidence interval; a calibration error of zero means that confidence"
        " equals accuracy",
        ["Score", "Before", "After", "Change"],
        rows,
        numeric=[1, 2, 3],
    )


def _by_class(utility: UtilityBias) -> Table:
    rows = []
    for name, after in utility.after.per_class.items():
        before = utility.before.per_class[name]
        if not after.support:
            rows.append([*cells(name, "none"), Cell("not in the benchmark"), *cells("", "", "")])
            continue
        changed = [f"{getattr(before, key):.3f} → {getattr(after, key):.3f}" for key in ("precision", "recall", "f1")]
        rows.append(cells(name, str(after.support), *changed, f"{after.f1 - before.f1:+.3f}"))
    return Table(
        "By class, before → after; a class that is not in the benchmark has no scores",
        ["Class", "Support", "Precision", "Recall", "F1", "Change of F1"],
        rows,
        numeric=[1, 2, 3, 4, 5],
    )


def _by_person(before: SubjectSpread, after: SubjectSpread) -> Table:
    return Table(
        f"Accuracy of each person in the benchmark on their own ({after.subjects} people)",
        ["Person", "Before", "After"],
        [cells(name, f"{getattr(before, key):.3f}", f"{getattr(after, key):.3f}") for key, name in _PEOPLE.items()],
        numeric=[1, 2],
    )
