"""The table of a sweep, one line a point, and what its lines come to over the seeds."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from fl_server.plan.utility import Measured
from shared_models.files import atomic_write

COLUMNS = tuple(Measured.model_fields)
AXES = ("unit", "epsilon", "clients", "cohort", "rounds", "trainable", "algorithm")
"""Columns that tell studies of one sweep apart, beside the seed."""
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Study:
    """One combination of the axes over its seeds. Scores are macro-F1; `half`: half of the mean's 95 % interval."""

    at: dict[str, Any]
    seeds: int
    mean: float
    half: float | None
    """None with one seed."""
    before: float
    without_noise: float
    worst: float
    cpu_s: float
    upload_bytes: int
    epsilon_spent: float

    @property
    def interval(self) -> tuple[float, float]:
        half = self.half or 0.0
        return max(self.mean - half, 0.0), min(self.mean + half, 1.0)


def write_table(path: Path, rows: Sequence[Measured]) -> None:
    """In the form of docs/plan.md, which `fl-server plan --utility` reads. Raises StorageError where it cannot be."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in rows)
    atomic_write(path, text.getvalue().encode(), 0o644)


def studies_of(rows: Sequence[Measured]) -> list[Study]:
    """In the order of the first line of each."""
    by_place: dict[tuple[Any, ...], list[Measured]] = {}
    for row in rows:
        by_place.setdefault(tuple(getattr(row, axis) for axis in AXES), []).append(row)
    return [_study(dict(zip(AXES, place, strict=True)), group) for place, group in by_place.items()]


def varying(studies: Sequence[Study]) -> list[str]:
    """The axes that have more than one value; not the cohort where it only follows the clients."""
    names = [axis for axis in AXES if len({study.at[axis] for study in studies}) > 1]
    if all(study.at["cohort"] == study.at["clients"] for study in studies):
        names = [name for name in names if name != "cohort"]
    return names


def _study(at: dict[str, Any], rows: Sequence[Measured]) -> Study:
    scores = [row.macro_f1 or 0.0 for row in rows]
    half = None
    if len(scores) > 1:
        half = float(student.ppf((1 + _CONFIDENCE) / 2, len(scores) - 1)) * stdev(scores) / math.sqrt(len(scores))
    return Study(
        at=at,
        seeds=len(rows),
        mean=fmean(scores),
        half=half,
        before=fmean(row.macro_f1_before or 0.0 for row in rows),
        without_noise=fmean(row.macro_f1_without_noise or 0.0 for row in rows),
        worst=min(scores),
        cpu_s=fmean(row.cpu_s or 0.0 for row in rows),
        upload_bytes=max(row.upload_bytes or 0 for row in rows),
        epsilon_spent=max(row.epsilon_spent or 0.0 for row in rows),
    )
