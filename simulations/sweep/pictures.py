"""The pictures of a sweep: utility against epsilon, against the cohort, and what it costs. Readable in grey."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # pictures go to files, and there may be no screen

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.sweep.table import Study, varying

_LOOK: Any = {"font.size": 9.5, "axes.spines.top": False, "axes.spines.right": False}
_STYLES = (("-", "o", "●"), ("--", "s", "■"), ("-.", "^", "▲"), (":", "D", "◆"), ((0, (6, 1)), "v", "▼"))
_SHADES = ("0.0", "0.25", "0.45")
_GREY, _NO_NOISE = "0.45", "no noise"
Names = list[tuple[float, str]]
"""Heights at which lines end, and their names."""
_PANEL = ("unit", "trainable")
"""Axes whose values get a panel each."""


def draw_all(out: Path, studies: Sequence[Study]) -> list[Path]:
    """Writes the pictures that the axes allow, and returns their files."""
    axes = varying(studies)
    size = "cohort" if "cohort" in axes else "clients"
    drawn = []
    with matplotlib.rc_context(_LOOK):
        if "epsilon" in axes:
            drawn.append(_by_epsilon(out / "utility-by-epsilon.png", studies, axes))
        if size in axes:
            drawn.append(_by_size(out / "utility-by-cohort.png", studies, axes, size))
        drawn.append(_cost(out / "cost.png", studies, axes))
    return drawn


def name_of(study: Study, axes: Sequence[str]) -> str:
    """The study's values on `axes`, in a few words."""
    words = {"clients": "clients", "cohort": "a round", "rounds": "rounds"}
    return ", ".join(
        f"{study.at[axis]} {words[axis]}"
        if axis in words
        else f"epsilon {study.at[axis]:g}"
        if axis == "epsilon"
        else str(study.at[axis])
        for axis in axes
    )


def _by_epsilon(path: Path, studies: Sequence[Study], axes: Sequence[str]) -> Path:
    ticks = [*sorted({study.at["epsilon"] for study in studies}), _NO_NOISE]
    lines = [axis for axis in axes if axis not in (*_PANEL, "epsilon")]
    figure, panels = _panels(studies, axes)
    names = []
    for panel, shown in panels:
        ends: Names = []
        for row, (name, line) in enumerate(_grouped(shown, lines).items()):
            line = sorted(line, key=lambda study: study.at["epsilon"])
            places = [ticks.index(study.at["epsilon"]) for study in line]
            _draw(panel, places, line, row)
            last, free = line[-1], float(np.mean([study.without_noise for study in line]))
            panel.plot([places[-1], len(ticks) - 1], [last.mean, free], ":", color=_GREY, lw=0.8)
            panel.plot(len(ticks) - 1, free, _style(row)[1], color=_style(row)[2], mfc="white")
            ends.append((free, _marked(name, row)))
        words = [f"{tick:g}" if tick != _NO_NOISE else tick for tick in ticks]
        names.append((panel, _finish(panel, words, "epsilon", shown, ends)))
    for panel, named in names:
        _name_lines(panel, named)
    return _save(figure, path, studies)


def _by_size(path: Path, studies: Sequence[Study], axes: Sequence[str], size: str) -> Path:
    ticks = sorted({study.at[size] for study in studies})
    lines = [axis for axis in axes if axis not in (*_PANEL, "clients", "cohort")]
    figure, panels = _panels(studies, axes)
    names = []
    for panel, shown in panels:
        ends: Names = []
        for row, (name, line) in enumerate(_grouped(shown, lines).items()):
            line = sorted(line, key=lambda study: study.at[size])
            _draw(panel, [ticks.index(study.at[size]) for study in line], line, row)
            ends.append((line[-1].mean, _marked(name, row)))
        free = [float(np.mean([s.without_noise for s in shown if s.at[size] == tick])) for tick in ticks]
        panel.plot(range(len(ticks)), free, ":", color=_GREY, lw=1.2)
        ends.append((free[-1], _NO_NOISE))
        names.append((panel, _finish(panel, [str(tick) for tick in ticks], "devices in a round", shown, ends)))
    for panel, named in names:
        _name_lines(panel, named)
    return _save(figure, path, studies)


def _cost(path: Path, studies: Sequence[Study], axes: Sequence[str]) -> Path:
    """A row for each kind of study that costs something else; epsilon and unit cost nothing."""
    kinds = _grouped(studies, [axis for axis in axes if axis not in ("epsilon", "unit")])
    names, rows = list(kinds), list(kinds.values())
    figures = (
        ("CPU seconds of one simulated study", [float(np.mean([study.cpu_s for study in row])) for row in rows]),
        ("KiB that one device uploads in its life", [row[0].upload_bytes / 1024 for row in rows]),
    )
    figure, panels = plt.subplots(1, 2, figsize=(8.2, 1.0 + 0.3 * len(rows)), sharey=True)
    for panel, (title, values) in zip(panels, figures, strict=True):
        panel.barh(range(len(rows)), values, color="0.7", height=0.6)
        for place, value in enumerate(values):
            panel.annotate(f"{value:.3g}", (value, place), (4, 0), textcoords="offset points", va="center")
        panel.set_title(title, loc="left", fontsize=9.5)
        panel.set_xlim(0, 1.2 * max(values, default=0) + 1e-9)
        panel.xaxis.set_visible(False)
        panel.spines["bottom"].set_visible(False)
        panel.tick_params(left=False)
    panels[0].set_yticks(range(len(rows)), [name or "all studies" for name in names])
    panels[0].invert_yaxis()
    return _save(figure, path, [])


def _panels(studies: Sequence[Study], axes: Sequence[str]) -> tuple[Figure, list[tuple[Axes, list[Study]]]]:
    """A panel for each unit and trainable part, side by side, on one scale."""
    groups = _grouped(studies, [axis for axis in _PANEL if axis in axes])
    figure, grid = plt.subplots(1, len(groups), figsize=(2.0 + 4.2 * len(groups), 3.8), sharey=True, squeeze=False)
    for panel, name in zip(grid[0], groups, strict=True):
        panel.set_title(name, loc="left", fontsize=9.5)
    grid[0][0].set_ylabel("macro-F1")
    return figure, list(zip(grid[0], groups.values(), strict=True))


def _grouped(studies: Sequence[Study], axes: Sequence[str]) -> dict[str, list[Study]]:
    groups: dict[str, list[Study]] = {}
    for study in studies:
        groups.setdefault(name_of(study, axes), []).append(study)
    return groups


def _style(row: int) -> tuple[Any, str, str]:
    line, marker, _ = _STYLES[row % len(_STYLES)]
    return line, marker, _SHADES[row % len(_SHADES)]


def _marked(name: str, row: int) -> str:
    """A line's name, with its marker before it; nothing for the only line."""
    return name and f"{_STYLES[row % len(_STYLES)][2]} {name}"


def _draw(panel: Axes, places: Sequence[int], line: Sequence[Study], row: int) -> None:
    """A line with its intervals; each line a little to the side, so that bars do not cover each other."""
    style, marker, shade = _style(row)
    low, high = zip(*(study.interval for study in line), strict=True)
    mean, at = np.array([study.mean for study in line]), np.array(places) + 0.04 * (row - 1)
    bars = np.clip([mean - low, high - mean], 0, None)
    panel.errorbar(at, mean, bars, ls=style, marker=marker, ms=4, color=shade, elinewidth=0.8, capsize=2)


def _finish(panel: Axes, ticks: Sequence[str], label: str, shown: Sequence[Study], ends: Names) -> Names:
    """Axes, and the score before training; heights and names of all lines, that one with them."""
    before = float(np.mean([study.before for study in shown]))
    panel.axhline(before, color=_GREY, lw=0.8)
    panel.set_xlim(-0.4, len(ticks) - 0.6)
    panel.set_xticks(range(len(ticks)), ticks)
    panel.set_xlabel(label)
    return [(height, name) for height, name in [*ends, (before, "before training")] if name]


def _name_lines(panel: Axes, ends: Names) -> None:
    """Each line's name beside its end, moved as little as keeps names apart. Once all panels have their heights."""
    low, high = panel.get_ylim()
    step, groups = 0.055 * (high - low), list[Names]()
    for end in sorted(ends):
        groups.append([end])
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], step):
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        for place, (_, name) in enumerate(group):
            height = _middle(group) + step * (place - (len(group) - 1) / 2)
            at = panel.get_xlim()[1], height
            panel.annotate(name, at, (6, 0), textcoords="offset points", va="center", annotation_clip=False)


def _overlap(below: Names, above: Names, step: float) -> bool:
    return _middle(above) - _middle(below) < step * (len(below) + len(above)) / 2


def _middle(group: Names) -> float:
    return float(np.mean([height for height, _ in group]))


def _save(figure: Figure, path: Path, studies: Sequence[Study]) -> Path:
    if studies:
        seeds = max(study.seeds for study in studies)
        note = f"mean of {seeds} seeds, bars: 95 % interval of the mean" if seeds > 1 else "one seed"
        figure.text(0.01, 0.01, note, fontsize=8, color=_GREY)
        figure.tight_layout(rect=(0, 0.04, 1, 1))
    else:
        figure.tight_layout()
    figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return path
