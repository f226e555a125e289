"""The benchmark by class."""

from fl_server.report.blocks import Picture
from fl_server.report.svg import BLUE, GRID, INK, PALE, box, path, picture, text
from shared_models.evaluation.metrics import Metrics


def benchmark_bars(before: Metrics, after: Metrics) -> Picture:
    """F1 of each class before and after training, one pair of bars a class."""
    pitch, left, width = 40, 100, 490
    height = 54 + pitch * len(after.per_class)
    parts = [
        box((left, 4), 12, 12, PALE),
        text((left + 18, 15), "F1 before"),
        box((left + 110, 4), 12, 12, BLUE),
        text((left + 128, 15), "F1 after"),
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = left + width * tick
        parts.append(path([(x, 28), (x, height - 24)], GRID, width=1))
        parts.append(text((x, height - 6), f"{tick:g}", anchor="middle"))
    for row, (name, new) in enumerate(after.per_class.items()):
        y = 38 + pitch * row
        parts.append(text((left - 10, y + 17), name, anchor="end", colour=INK))
        if not new.support:
            parts.append(text((left + 6, y + 17), "not in the benchmark"))
            continue
        for offset, value, colour in ((0, before.per_class[name].f1, PALE), (13, new.f1, BLUE)):
            parts.append(box((left, y + offset), width * value, 11, colour))
            parts.append(text((left + width * value + 6, y + offset + 10), f"{value:.2f}"))
    description = "F1 before and after training for each class; the tables below give every figure."
    return picture("benchmark", (640, height), "Benchmark by class, before and after", description, parts)
