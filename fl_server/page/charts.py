"""The page's pictures, as inline SVG in the style of the report's."""

from collections.abc import Sequence

from markupsafe import Markup

from fl_server.report.blocks import Picture
from fl_server.report.svg import AMBER, BLUE, GRID, INK, MUTED, Axes, Point, box, path, picture, text, ticks
from fl_server.round_summary import RoundSummary

_LABEL_GAP = 18.0
_LEVELS = (0, 0.25, 0.5, 0.75, 1)


def scores(rounds: Sequence[RoundSummary]) -> Picture:
    """Accuracy, average recall and macro F1 of each round's model, named at their ends; tries that failed below."""
    closed = [summary for summary in rounds if summary.state != "failed"]
    failed = [summary.round for summary in rounds if summary.state == "failed"]
    last = max(1, *(summary.round for summary in rounds))
    axes = Axes(46, 34, 324, 190, x_top=last, y_top=1)
    lines = (
        ("accuracy", [s.accuracy for s in closed], INK, "none", 1.5),
        ("recall", [s.uar for s in closed], BLUE, "none", 2.5),
        ("F1", [s.macro_f1 for s in closed], MUTED, "5 3", 1.5),
    )
    parts = axes.draw(_whole_ticks(last), list(_LEVELS), "round", "score")
    labels = _apart([axes.at(last, values[-1])[1] for _, values, *_ in lines])
    for (name, values, colour, dash, width), y in zip(lines, labels, strict=True):
        points = [axes.at(summary.round, value) for summary, value in zip(closed, values, strict=True)]
        parts += [
            *_line(points, colour, width, dash),
            text((axes.right + 10, y + 4), f"{name} {values[-1]:.2f}", colour=colour, bold=name == "recall"),
        ]
    parts += [_cross(axes.at(round_, 0)) for round_ in failed]
    end = closed[-1]
    description = (
        f"After round {end.round}: accuracy {end.accuracy:.2f}, average recall {end.uar:.2f}, F1 {end.macro_f1:.2f}."
        f" {_failed(len(failed))}"
    )
    return picture("scores", (490, 276), "Score of the model after each round", description, parts)


def emotion(name: str, number: int, f1: Sequence[tuple[int, float]]) -> Picture:
    """F1 of one emotion by round, and the level that it started from."""
    (_, first), (round_, last) = f1[0], f1[-1]
    axes = Axes(32, 12, 184, 82, x_top=max(1, round_), y_top=1)
    points = [axes.at(at, value) for at, value in f1]
    parts = []
    for level in (0, 0.5, 1):
        y = axes.at(0, level)[1]
        parts += [
            path([(axes.left, y), (axes.right, y)], GRID, width=1),
            text((axes.left - 6, y + 4), f"{level:g}", anchor="end"),
        ]
    start = axes.at(0, first)[1]
    parts += [path([(axes.left, start), (axes.right, start)], MUTED, width=1, dash="2 4"), *_line(points, BLUE, 2.5)]
    description = f"It was {first:.2f} at the start and is {last:.2f} after round {round_}."
    return picture(f"emotion-{number}", (226, 104), f"F1 of {name} by round", description, parts)


def seconds(rounds: Sequence[RoundSummary]) -> Picture:
    """How long each try of a round took, in order; a failed one in amber."""
    tries = [summary for summary in rounds if summary.state != "start"]
    longest = max(1.0, *(summary.seconds for summary in tries))
    axes = Axes(46, 34, 424, 190, x_top=len(tries), y_top=1.05 * longest)
    pitch = axes.width / len(tries)
    thick = max(1.0, min(0.7 * pitch, 26.0))
    parts = axes.draw([], ticks(axes.y_top), "rounds, in order", "seconds")
    for place, summary in enumerate(tries):
        x, y = axes.at(place + 0.5, summary.seconds)
        parts.append(box((x - thick / 2, y), thick, axes.bottom - y, AMBER if summary.state == "failed" else BLUE))
    for place in _labelled(len(tries)):
        x = axes.at(place + 0.5, 0)[0]
        parts.append(text((x, axes.bottom + 20), str(tries[place].round), anchor="middle"))
    failed = sum(summary.state == "failed" for summary in tries)
    description = f"The longest took {longest:.0f} seconds. {_failed(failed)}"
    return picture("seconds", (490, 276), "How long each round took", description, parts)


def share(part: float) -> Markup:
    """A bar for a table's cell, `part` of it filled. It says nothing that the cell beside it does not."""
    bars = box((0, 0), 100, 8, GRID) + box((0, 0), 100 * min(1.0, part), 8, BLUE)
    return Markup('<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{}</svg>').format(
        bars
    )


def _line(points: list[Point], colour: str, width: float, dash: str = "none") -> list[Markup]:
    """A line that ends in a dot, which stands alone where there is one point."""
    (x, y) = points[-1]
    dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5" fill="{}"/>').format(x, y, colour)
    return [path(points, colour, width=width, dash=dash), dot]


def _cross(at: Point) -> Markup:
    """Marks a try that failed, on the axis."""
    x, y = at
    return Markup('<path d="M{:.1f},{:.1f} l8,8 m0,-8 l-8,8" fill="none" stroke="{}" stroke-width="2"/>').format(
        x - 4, y - 4, AMBER
    )


def _apart(heights: Sequence[float]) -> list[float]:
    """The same heights, moved down as far as labels need to be legible, in the same order."""
    placed: dict[int, float] = {}
    lowest = float("-inf")
    for index in sorted(range(len(heights)), key=lambda i: heights[i]):
        placed[index] = lowest = max(heights[index], lowest + _LABEL_GAP)
    return [placed[index] for index in range(len(heights))]


def _whole_ticks(last: int) -> list[float]:
    return [tick for tick in ticks(last, 8) if float(tick).is_integer()]


def _labelled(count: int) -> list[int]:
    """Places to write a number at: all of few, else some at even distances."""
    step = -(-count // 10)
    return list(range(0, count, step))


def _failed(count: int) -> str:
    return {0: "No try failed.", 1: "One try failed."}.get(count, f"{count} tries failed.")
