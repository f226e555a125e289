"""What studies of some sizes and epsilons scored when simulated: a table in CSV, of the form in docs/plan.md."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_models.errors import DataError
from shared_models.privacy.mechanism import Unit

SHIPPED = Path(__file__).parent / "utility.csv"
"""Measured on rendered people; `docs/examples/sweep-plan.toml` is the sweep that makes such a table."""

_RENDERED = "Real people differ more from each other than rendered ones: expect less."
_ROUNDED = 1.001
"""A policy that is calibrated for an epsilon spends a little less than it."""

Score = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Measured(BaseModel):
    """One simulated study: one row of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    model: str
    scheme: str
    trainable: str
    clients: Count
    sequences: Count
    rounds: Count
    steps: Count
    delta: Annotated[float, Field(gt=0, lt=1)]
    epsilon: Annotated[float, Field(gt=0)]
    seed: int
    uar: Score
    accuracy: Score
    uar_before: Score
    uar_without_noise: Score
    uar_chance: Score
    unit: Unit = "sequence"
    cohort: Count | None = None
    algorithm: str = "fedavg"
    population: str = ""
    availability: str = ""
    settings: str = ""
    macro_f1: Score | None = None
    macro_f1_before: Score | None = None
    macro_f1_without_noise: Score | None = None
    participations: Annotated[int, Field(ge=0)] | None = None
    epsilon_spent: Annotated[float, Field(ge=0)] | None = None
    cpu_s: Annotated[float, Field(ge=0)] | None = None
    upload_bytes: Annotated[int, Field(ge=0)] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether all devices take part in every round, by the default settings, so that a plan can use it."""
        special = self.population or self.availability or self.settings or self.algorithm != "fedavg"
        return self.unit == "sequence" and self.cohort in (None, self.clients) and not special

    @property
    def training(self) -> tuple[str, int, int, int, float]:
        """What studies must share to be compared by size and epsilon."""
        return self.data, self.sequences, self.rounds, self.steps, self.delta


@dataclass(frozen=True)
class Expected:
    """UAR over the seeds of one size and epsilon: the mean, the worst and the best."""

    clients: int
    epsilon: float
    mean: float
    worst: float
    best: float
    before: float
    without_noise: float
    chance: float

    @property
    def near_chance(self) -> bool:
        """Whether some seed ended nearer to guessing than to the model that it started from."""
        return self.worst < (self.chance + self.before) / 2

    @property
    def improves(self) -> bool:
        """Whether training made the model better with every seed."""
        return self.worst > self.before


class UtilityTable:
    """The simulated studies of one model, label scheme and trainable part."""

    def __init__(self, rows: Sequence[Measured]) -> None:
        by_kind: dict[tuple[int, float], list[Measured]] = defaultdict(list)
        for row in rows:
            by_kind[row.clients, row.epsilon].append(row)
        self.rows = rows
        """All of them; none where no study is of the kind asked for."""
        self._expected = {kind: _expected(measured) for kind, measured in by_kind.items()}

    def sizes(self) -> list[int]:
        return sorted({clients for clients, _ in self._expected})

    def epsilons(self) -> list[float]:
        return sorted({epsilon for _, epsilon in self._expected})

    def measured(self) -> list[Expected]:
        """What was simulated, by size and then by epsilon."""
        return [self._expected[kind] for kind in sorted(self._expected)]

    def source(self) -> str:
        """How the studies were made, in words."""
        if not self.rows:
            return "No simulated study is of this kind."
        row, seeds = self.rows[0], len({row.seed for row in self.rows})
        words = (
            f"{row.rounds} rounds of {row.steps} steps on all of a device's {row.sequences} recordings, {row.data}"
            f" data, delta {row.delta:g}, {seeds} seeds."
        )
        return f"{words} {_RENDERED}" if row.data == "synthetic" else words

    def at(self, clients: int, epsilon: float) -> Expected | None:
        """The nearest study that was neither larger nor less private than asked for; None where all were.

        A larger study and a larger epsilon do at least as well, so that what is expected is not too much.
        """
        size = max((n for n in self.sizes() if n <= clients), default=None)
        budget = max((e for e in self.epsilons() if e <= epsilon * _ROUNDED), default=None)
        return None if size is None or budget is None else self._expected.get((size, budget))

    def smallest(self, epsilon: float) -> int | None:
        """The smallest size from which on every simulated study improved the model at this epsilon."""
        found = None
        for size in reversed(self.sizes()):
            expected = self.at(size, epsilon)
            if expected is None or not expected.improves:
                break
            found = size
        return found


def load_utility(path: Path, model: str, scheme: str, trainable: str) -> UtilityTable:
    """The studies in `path` that are of this kind and plain; there may be none.

    Raises DataError, naming the row, where the file cannot be read, and where studies differ in more than size,
    epsilon and seed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            measured = list(_rows(path, csv.DictReader(file)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The table {path} cannot be read", why=str(error)) from error
    kind = model, scheme, trainable
    rows = [row for row in measured if (row.model, row.scheme, row.trainable) == kind and row.is_plain]
    if len({row.training for row in rows}) > 1:
        raise DataError(
            f"The studies in {path} cannot be compared with each other",
            why="they differ in data, sequences, rounds, steps or delta",
            fix="Plan with a table in which these are the same in every line",
        )
    return UtilityTable(rows)


def _rows(path: Path, reader: "csv.DictReader[str]") -> Iterator[Measured]:
    for number, row in enumerate(reader, 2):
        try:
            yield Measured.model_validate({name: cell for name, cell in row.items() if cell})
        except ValidationError as error:
            problem = error.errors()[0]
            column = ".".join(map(str, problem["loc"]))
            raise DataError(
                f"Row {number} of {path} is wrong",
                why=f"{column}: {problem['msg']}",
                fix="docs/plan.md has the form; `fl-sim sweep` writes it",
            ) from error


def _expected(rows: Sequence[Measured]) -> Expected:
    scores = [row.uar for row in rows]
    return Expected(
        clients=rows[0].clients,
        epsilon=rows[0].epsilon,
        mean=fmean(scores),
        worst=min(scores),
        best=max(scores),
        before=fmean(row.uar_before for row in rows),
        without_noise=fmean(row.uar_without_noise for row in rows),
        chance=fmean(row.uar_chance for row in rows),
    )
