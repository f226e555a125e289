"""The two pictures of an evaluation: what is taken for what, and what confidence is worth."""

import numpy as np
from markupsafe import Markup

from fl_server.evaluation.facts import Evaluation
from fl_server.report.blocks import Picture
from fl_server.report.svg import AMBER, BLUE, GRID, INK, PALE, Axes, box, path, picture, text

_WIDTH, _LEFT, _TOP, _SLANTED_TOP = 640, 112, 44, 110
_MOST_UPRIGHT = 8
_DARKEST = 0.5  # so that the number can be read on every shade, on light and on dark paper


def confusion_picture(facts: Evaluation) -> Picture:
    """One row a true class, one column an answer: the shade is the share of the row, the number the sequences.

    One hue from light to dark, so that it can be read without telling colours apart. Classes that are neither in the
    data nor among the answers are left out.
    """
    counts, names = np.array(facts.metrics.confusion), np.array(list(facts.metrics.per_class))
    shown = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    counts, names = counts[np.ix_(shown, shown)], names[shown]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    slanted = len(names) > _MOST_UPRIGHT
    side = (_WIDTH - _LEFT - (60 if slanted else 4)) / len(names)
    tall, top = min(side, 44.0), _SLANTED_TOP if slanted else _TOP
    parts = [text((_LEFT, 14), "called"), text((_LEFT - 10, top - 10), "is", anchor="end")]
    for column, name in enumerate(names):
        parts.append(_column_name(_LEFT + side * (column + 0.5), top - 10, name, slanted))
    for row, name in enumerate(names):
        y = top + tall * row
        parts.append(text((_LEFT - 10, y + tall / 2 + 4), name, anchor="end", colour=INK))
        for column in range(len(names)):
            x = _LEFT + side * column
            parts += _cell(x, y, side, tall, float(shares[row, column]), int(counts[row, column]))
    said = "; ".join(
        f"of {name}, {shares[row, row]:.0%} of {counts[row].sum()} right" for row, name in enumerate(names)
    )
    return picture(
        "confusion",
        (_WIDTH, round(top + tall * len(names) + 8)),
        "Rows: what sequences are. Columns: what they are called. Shade: share of the row",
        _sentence(said),
        parts,
    )


def reliability_picture(facts: Evaluation) -> Picture:
    """How often the model is right in each bin of confidence; the dashes are a model that is as good as it says."""
    axes = Axes(44, 34, 450, 220, x_top=1, y_top=1)
    bins, width = [found for found in facts.reliability if found.sequences], axes.width / len(facts.reliability)
    parts = axes.draw([0, 0.25, 0.5, 0.75, 1], [0, 0.25, 0.5, 0.75, 1], "the model's confidence", "share right")
    for found in bins:
        x, y = axes.at(found.up_to, found.accuracy)
        parts.append(box((x - width + 2, y), width - 4, axes.bottom - y, PALE))
        middle = (x - width / 2, axes.bottom - 6)
        parts.append(text(middle, str(found.sequences), anchor="middle", colour=INK))
    parts += [
        path([axes.at(0, 0), axes.at(1, 1)], AMBER, dash="7 4"),
        path([(axes.right + 14, 50), (axes.right + 38, 50)], AMBER, dash="7 4"),
        text((axes.right + 14, 68), "as good"),
        text((axes.right + 14, 84), "as it says"),
        text((axes.right + 14, axes.bottom - 6), "sequences"),
    ]
    described = "; ".join(
        f"at confidence {found.confidence:.2f} right on {found.accuracy:.0%} of {found.sequences}" for found in bins
    )
    return picture(
        "reliability", (640, 304), "How often the model is right, by its confidence", _sentence(described), parts
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _column_name(x: float, y: float, name: str, slanted: bool) -> Markup:
    if not slanted:
        return text((x, y), name, anchor="middle", colour=INK)
    return Markup('<g transform="rotate(-45 {:.1f} {:.1f})">{}</g>').format(x, y, text((x, y), name, colour=INK))


def _cell(x: float, y: float, width: float, height: float, share: float, count: int) -> list[Markup]:
    """A shade that grows with the share, and the count; nothing is written where nothing was counted."""
    shade = Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}" fill-opacity="{:.3f}" stroke="{}"/>'
    ).format(x, y, width, height, BLUE, _DARKEST * share, GRID)
    number = text((x + width / 2, y + height / 2 + 4), str(count), anchor="middle", colour=INK)
    return [shade, number] if count else [shade]
