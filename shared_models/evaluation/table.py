"""The comparison by emotion that people read: precision, recall, F1 of a model before and after training."""

from rich import box
from rich.table import Table

from shared_models.evaluation.metrics import ClassScore, Metrics
from shared_models.evaluation.sheets import ABSENT

_HEADINGS = ("Emotion", "Support", "Precision", "Recall", "F1", "F1 gain")


def comparison_table(before: Metrics, after: Metrics, title: str = "Benchmark by emotion") -> Table:
    """A rich table that fits 80 columns, one row a class. Both must be scores on the same data."""
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        caption=_summary(before, after),
    )
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading == "Emotion" else "right", no_wrap=True)
    for row in _class_rows(before, after):
        table.add_row(*row)
    return table


def comparison_markdown(before: Metrics, after: Metrics) -> str:
    """The same as a Markdown table, with the overall scores in a line below it."""
    head = [_HEADINGS, ("---", *["---:"] * (len(_HEADINGS) - 1))]
    lines = [f"| {' | '.join(row)} |" for row in (*head, *_class_rows(before, after))]
    return "\n".join([*lines, "", _summary(before, after)]) + "\n"


def _class_rows(before: Metrics, after: Metrics) -> list[tuple[str, ...]]:
    return [_class_row(name, score, after.per_class[name]) for name, score in before.per_class.items()]


def _class_row(name: str, before: ClassScore, after: ClassScore) -> tuple[str, ...]:
    if not after.support:
        return (name, "0", *[ABSENT] * 4)
    return (
        name,
        str(after.support),
        _pair(before.precision, after.precision),
        _pair(before.recall, after.recall),
        _pair(before.f1, after.f1),
        f"{after.f1 - before.f1:+.3f}",
    )


def _summary(before: Metrics, after: Metrics) -> str:
    scores = (
        ("Accuracy", before.accuracy, after.accuracy),
        ("UAR", before.uar, after.uar),
        ("macro F1", before.macro_f1, after.macro_f1),
    )
    return "; ".join(f"{name} {_pair(old, new)} ({new - old:+.3f})" for name, old, new in scores)


def _pair(before: float, after: float) -> str:
    return f"{before:.3f} → {after:.3f}"
