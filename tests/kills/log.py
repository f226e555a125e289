"""The log of a walk, as it is kept in docs/evidence."""

import datetime as dt
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from tests.kills.walk import DEVICE, Tally
from tests.kills.world import SERVER

_INTRODUCTION = """\
Written by `make kills`. A server and three devices, each a real process, ran rounds over TLS on loopback. Again and
again one of them was ended by SIGKILL, at a chosen commit point or at random, and started again."""
_CHECKED = """\
- Every update that the server accepted counts in exactly one round, unless its round failed for want of answers.
- No update counts twice. The model is the first one plus each round's mean of the very bytes that devices sent.
- Each device's ledger only grows, its epsilon never falls, and it pays once for a round and once for a task.
- All chains, signatures and checkpoints hold; no round is void; the round reached never goes back."""
_AT_THE_END = """\
Every 50 kills the server ran to its last round, every device handed over its whole ledger, and `fl-server verify`
accepted the bundle of evidence; the next kills then began with a new federation."""
_PLACES = """\
`before` and `after` an operation. `torn`: before it, and a random part of what was not yet flushed is lost too, as in
a power cut. `N` and `*` stand for numbers and random names, `.` for the folder of the server or of the device."""


def write_log(path: Path, tally: Tally, seed: int, seconds: float, commit: str) -> None:
    """What was done, where each process died, and what held; Markdown."""
    unvisited = sorted(tally.places - tally.kills.keys())
    facts = {
        "commit": f"`{commit}`",
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        "seed": seed,
        "kills": f"{tally.kills.total()}: {_of(tally, SERVER)} of the server, {_of(tally, DEVICE)} of devices",
        "rounds closed": tally.rounds,
        "updates accepted": tally.accepted,
        "checks of all invariants": tally.checks,
        "seconds": round(seconds),
    }
    unvisited = sorted(tally.places - tally.kills.keys())
    lines = [
        f"# {tally.kills.total()} kills, nothing lost",
        "",
        _INTRODUCTION,
        "",
        *_table("fact", "value", facts),
        "",
        "## What was checked after every kill",
        "",
        _CHECKED,
        "",
        _AT_THE_END,
        "",
        "## Where they died",
        "",
        _PLACES,
        "",
        *_table("place", "kills", dict(sorted(tally.kills.items()))),
        "",
        f"Commit points at which nobody died: {', '.join(unvisited) or 'none'}.",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(left: str, right: str, rows: Mapping[str, object]) -> list[str]:
    return [f"| {left} | {right} |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]


def _of(tally: Tally, kind: str) -> int:
    return sum(count for place, count in tally.kills.items() if place.startswith(f"{kind} "))
