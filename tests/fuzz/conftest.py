"""How a target is attacked: so many malformed inputs from one seed, what came of them, and what it cost."""

import logging
import os
import random
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fuzz.mutations import CANARY

SHORT = 100
"""Inputs of each target in the suite; `make fuzz` sets the number of all."""
_KIB = 1024
_MAY_GROW_MB = 256
TOTAL = int(os.environ.get("ATTUNE_FUZZ_INPUTS", "0"))
SEED = int(os.environ.get("ATTUNE_FUZZ_SEED", "1"))


@dataclass(frozen=True)
class Target:
    """`feed` gives an outcome in a few words, and raises only where the target broke its promise."""

    name: str
    share: int
    """Of a hundred inputs."""
    make: Callable[[random.Random], Any]
    feed: Callable[[Any], str]
    short: int = SHORT

    @property
    def inputs(self) -> int:
        return TOTAL * self.share // 100 or self.short


@dataclass
class Row:
    """What came of one target's inputs."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest_ms: float = 0.0
    grown_mb: float = 0.0


class Eavesdropper(logging.Handler):
    """Hears every log and keeps what quotes an input."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.quotes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if CANARY in line:
            self.quotes.append(line)


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Iterator[dict[str, Row]]:
    """Rows by target; written down at the end where nothing failed and ATTUNE_FUZZ_LOG names a file."""
    rows: dict[str, Row] = {}
    yield rows
    path = os.environ.get("ATTUNE_FUZZ_LOG")
    if path and not request.session.testsfailed:
        Path(path).write_text(_page(rows), encoding="utf-8")


@pytest.fixture
def attack(tally: dict[str, Row]) -> Callable[[Target], Counter[str]]:
    """`attack(target)`: feeds it its share of inputs; gives the outcomes. Fails where a log quotes an input or
    memory grows with every input."""

    def attack(target: Target) -> Counter[str]:
        rng, row, ear = random.Random(f"{SEED} {target.name}"), Row(), Eavesdropper()
        logging.getLogger().addHandler(ear)
        began, before = time.monotonic(), _peak_mb()
        try:
            for number in range(target.inputs):
                made, since = target.make(rng), time.monotonic()
                try:
                    row.outcomes[target.feed(made)] += 1
                except BaseException as error:
                    error.add_note(f"{target.name}, seed {SEED}, input {number}: {made!r:.500}")
                    raise
                row.slowest_ms = max(row.slowest_ms, 1000 * (time.monotonic() - since))
        finally:
            logging.getLogger().removeHandler(ear)
        row.seconds, row.grown_mb = time.monotonic() - began, _peak_mb() - before
        tally[target.name] = row
        assert ear.quotes == []
        assert row.grown_mb < _MAY_GROW_MB
        assert len(row.outcomes) > 1, "every input ended alike: the changes do not reach far"
        return row.outcomes

    return attack


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB


def _commit() -> str:
    """What git calls the code that was attacked."""
    told = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    return told.stdout.strip() or "unknown"


def _page(rows: dict[str, Row]) -> str:
    total = sum(sum(row.outcomes.values()) for row in rows.values())
    lines = [
        "# Malformed inputs",
        "",
        f"Written by `make fuzz` at commit {_commit()}.",
        "",
        f"{total:,} inputs, seed {SEED}, {sum(row.seconds for row in rows.values()):.0f} seconds."
        " No crash, no hang, no error outside the documented ones, no input quoted in a log.",
        "",
        "| target | inputs | seconds | slowest, ms | memory grew, MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        count = sum(row.outcomes.values())
        lines.append(f"| {name} | {count:,} | {row.seconds:.0f} | {row.slowest_ms:.0f} | {row.grown_mb:.0f} |")
    lines += ["", "| target | outcome | inputs |", "| --- | --- | ---: |"]
    for name, row in rows.items():
        lines += [f"| {name} | {outcome} | {count:,} |" for outcome, count in row.outcomes.most_common()]
    return "\n".join(lines) + "\n"
