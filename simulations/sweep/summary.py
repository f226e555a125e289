"""A sweep in words: what was varied, what each study scored, and what may be concluded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shared_models.files import atomic_write
from simulations.sweep.pictures import draw_all
from simulations.sweep.table import AXES, Study, varying

SUMMARY = "summary.md"


def write_summary(out: Path, shared: Mapping[str, object], studies: Sequence[Study], failed: Mapping[str, str]) -> None:
    """Draws the pictures and writes SUMMARY, which shows them. `shared`: settings of all studies, by name."""
    pictures = draw_all(out, studies)
    axes = varying(studies)
    same = {axis: studies[0].at[axis] for axis in AXES if axis not in axes and axis != "cohort"}
    parts = [
        "# A sweep of simulated studies",
        "Macro-F1 on held-out people, mean over seeds with the 95 % interval of that mean (Student's t). The gap is to"
        " the same training without noise. Epsilon is spent by the device that took part most often; it is"
        " what the policy would promise: whoever has a simulation's seed can take its noise off.",
        "Same in all: " + "; ".join(f"{name} {_words(value)}" for name, value in {**same, **shared}.items()) + ".",
        _table(axes, studies),
        *(f"![{path.stem.replace('-', ' ')}]({path.name})" for path in pictures),
        "The best of many studies is better here than it will be elsewhere: choose a setting on some seeds and report"
        " it on others. Rendered people differ less from each other than real ones. `results.csv` has a line for"
        " each seed; `fl-server plan DIRECTORY --utility results.csv` plans with those in which a sequence is"
        " protected, every device takes part in every round, and settings have their defaults.",
    ]
    if failed:
        parts.append("Not measured: " + "; ".join(f"{point} ({reason})" for point, reason in failed.items()))
    atomic_write(out / SUMMARY, ("\n\n".join(parts) + "\n").encode(), 0o644)


def _table(axes: Sequence[str], studies: Sequence[Study]) -> str:
    head = [*axes, "seeds", "macro-F1", "worst seed", "before", "without noise", "gap", "epsilon spent", "CPU s"]
    lines = [head, ["---"] * len(head)]
    for study in studies:
        interval = "" if study.half is None else f" ± {study.half:.3f}"
        lines.append(
            [
                *(f"{study.at[axis]}" for axis in axes),
                str(study.seeds),
                f"{study.mean:.3f}{interval}",
                f"{study.worst:.3f}",
                f"{study.before:.3f}",
                f"{study.without_noise:.3f}",
                f"{study.without_noise - study.mean:+.3f}",
                f"{study.epsilon_spent:.3f}",
                f"{study.cpu_s:.1f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _words(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)
