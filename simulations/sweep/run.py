"""Runs a sweep: what is finished is taken, the rest is measured, and table, pictures and summary are written."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fl_server.plan.utility import Measured
from shared_models.errors import RoundError
from shared_models.files import only_one
from simulations.sweep.finished import Finished
from simulations.sweep.grid import Sweep
from simulations.sweep.point import Point
from simulations.sweep.pool import Outcome, measure_all
from simulations.sweep.summary import write_summary
from simulations.sweep.table import studies_of, write_table

Progress = Callable[[str, int, int], None]
TABLE = "results.csv"


@dataclass(frozen=True)
class Swept:
    """`failed`: points that could not be measured, and why."""

    points: int
    rows: list[Measured]
    failed: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "points": self.points,
            "finished": len(self.rows),
            "failed": self.failed,
            "studies": [asdict(study) for study in studies_of(self.rows)],
        }


def run_sweep(sweep: Sweep, out: Path, workers: int, progress: Progress) -> Swept:
    """Writes TABLE, SUMMARY and pictures to `out`, and each finished point to `out/points` at once.

    Raises UsageError, DataError, PolicyError or SettingsError where a point makes no sense, before any is measured;
    UsageError too where another sweep runs in `out`.
    """
    points = sweep.points()
    for point in points:
        point.check()
    out.mkdir(parents=True, exist_ok=True)
    with only_one(out / ".lock", f"A sweep in {out}"):
        finished, failed = Finished(out / "points"), dict[str, str]()
        left = [point for point in points if finished.get(point) is None]
        count = len(points) - len(left)
        progress("points", count, len(points))

        def done(point: Point, outcome: Outcome) -> None:
            nonlocal count
            if isinstance(outcome, Measured):
                finished.put(point, outcome)
            else:
                failed[str(point)] = outcome
            count += 1
            progress("points", count, len(points))

        if left:
            measure_all(left, workers, done)
        rows = [row for row in map(finished.get, points) if row]
        write_table(out / TABLE, rows)
        if rows:
            write_summary(out, sweep.shared(), studies_of(rows), failed)
    return Swept(len(points), rows, failed)


def raise_if_failed(swept: Swept) -> None:
    """Raises RoundError where points are missing from the table."""
    if swept.failed:
        point, reason = next(iter(swept.failed.items()))
        raise RoundError(
            f"{len(swept.failed)} of {swept.points} points could not be measured",
            why=f"{point}: {reason}",
            fix="The same command tries them again and keeps what is finished",
        )
