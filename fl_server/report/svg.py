"""The few pieces of SVG that the report's pictures are made of. All text is escaped on its way in."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from fl_server.report.blocks import Picture

INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"
BLUE, PALE, AMBER, PAPER = "var(--blue)", "var(--pale)", "var(--amber)", "var(--paper)"
"""Colours by their name in report.css, which has a light and a dark value for each."""

_ON_PAPER = {
    "ink": "#1c2833",
    "muted": "#55626e",
    "grid": "#e2e7eb",
    "blue": "#1f5d8c",
    "pale": "#b4c6d4",
    "amber": "#b5521b",
    "paper": "#ffffff",
}
_FILE_HEAD = '<svg xmlns="http://www.w3.org/2000/svg" font-family="Libertinus Serif" font-size="14" '
_VARIABLE = re.compile(r"var\(--(\w+)\)")

Point = tuple[float, float]


def picture(name: str, size: tuple[int, int], title: str, description: str, parts: Iterable[Markup]) -> Picture:
    """One picture with a title and a description for those who cannot see it. `name` is unique in the page."""
    svg = Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-description">'
        '<title id="{name}-title">{title}</title>'
        '<desc id="{name}-description">{description}</desc>{body}</svg>'
    ).format(
        width=size[0],
        height=size[1],
        name=name,
        title=title,
        description=description,
        body=Markup("").join(parts),
    )
    return Picture(svg, title, f"{title}. {description}")


def text(at: Point, words: str, *, anchor: str = "start", colour: str = MUTED, bold: bool = False) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}" font-weight="{}">{}</text>').format(
        *at, anchor, colour, "600" if bold else "400", words
    )


def path(points: Iterable[Point], colour: str, *, width: float = 2, dash: str = "none") -> Markup:
    """A line through `points`."""
    return Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="{}" stroke-dasharray="{}"/>').format(
        " ".join(f"{x:.1f},{y:.1f}" for x, y in points), colour, width, dash
    )


def box(at: Point, width: float, height: float, fill: str) -> Markup:
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>').format(
        *at, width, height, fill
    )


def on_paper(svg: str) -> str:
    """The same picture as a file of its own, with the colours of white paper in place of their names."""
    coloured = _VARIABLE.sub(lambda found: _ON_PAPER[found[1]], svg)
    return coloured.replace("<svg ", _FILE_HEAD, 1)


def ticks(top: float, at_most: int = 6) -> list[float]:
    """Round numbers from 0 up to `top`, in steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(top / at_most))
    step = next(power * factor for factor in (1, 2, 5, 10) if top / (power * factor) <= at_most)
    return [step * i for i in range(math.floor(top / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Axes:
    """A plot area in picture units; data runs from 0 to `x_top` and from 0 to `y_top`."""

    left: float
    top: float
    width: float
    height: float
    x_top: float
    y_top: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def at(self, x: float, y: float) -> Point:
        """Where the data point (x, y) lies in the picture."""
        return self.left + self.width * x / self.x_top, self.bottom - self.height * y / self.y_top

    def draw(self, x_ticks: list[float], y_ticks: list[float], x_label: str, y_label: str) -> list[Markup]:
        """Grid lines, tick labels and the two axis labels, the vertical one above its axis."""
        parts = [text((self.left, self.top - 12), y_label)]
        for value in y_ticks:
            y = self.at(0, value)[1]
            parts.append(path([(self.left, y), (self.right, y)], GRID, width=1))
            parts.append(text((self.left - 8, y + 4), f"{value:g}", anchor="end"))
        for value in x_ticks:
            parts.append(text((self.at(value, 0)[0], self.bottom + 20), f"{value:g}", anchor="middle"))
        parts.append(path([(self.left, self.bottom), (self.right, self.bottom)], MUTED, width=1))
        parts.append(text((self.left + self.width / 2, self.bottom + 40), x_label, anchor="middle"))
        return parts
