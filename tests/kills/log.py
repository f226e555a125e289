"""The log of a walk, as it is kept in docs/evidence."""

import datetime as dt
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from tests.kills.walk import DEVICE, Tally
from tests.kills.world import DELETION, SERVER

_INTRODUCTION = """\
Written by `make kills`. A server and three devices, each a real process, ran rounds over TLS on loopback. Again and
again one of them was ended by SIGKILL, at a chosen commit point or at random, and started again."""
_CHECKED = """\
- Every update that the server accepted counts in exactly one round, unless its round failed for want of answers.
- No update counts twice. The model is the first one plus each round's mean of the very bytes that devices sent.
- Each device's ledger only grows, its epsilon never falls, and it pays once for a round and once for a task.
- All chains, signatures and checkpoints hold; no round is void; the round reached never goes back."""
_INTRODUCTION_CAMERAS = """\
Written by `make kills-client`. Three devices, each the whole of `fl-client run` as a real process, filmed a rendered
face, stored what was labelled, and trained in the rounds of a real server over TLS on loopback. Again and again one of
them was ended by SIGKILL, at a chosen commit point or at random, and started again. In between, sequences were deleted
with `fl-client data delete` beside the running program, and that was killed too."""
_CHECKED_CAMERAS = """
- Every sequence that was stored and not deleted is there and opens, and holds what the camera gave. At most the one
  being written is lost.
- A deletion is whole or not at all. Once it has ended, a copy of the store from before it does not open.
- No piece of any stored face, and no picture file, lies in a file of a device, of the folder for temporary files or
  of that for error logs, whether programs ran or were dead."""
_AT_THE_END = """\
Every 50 kills the server ran to its last round, every device handed over its whole ledger, and `fl-server verify`
accepted the bundle of evidence; the next kills then began with a new federation."""
_PLACES = """\
`before` and `after` an operation. `torn`: before it, and a random part of what was not yet flushed is lost too, as in
a power cut. `N` and `*` stand for numbers and random names, `.` for the folder of the server or of the device."""


def write_log(path: Path, tally: Tally, seed: int, seconds: float, commit: str, cameras: bool) -> None:
    """What was done, where each process died, and what held; Markdown."""
    unvisited = sorted(tally.places - tally.kills.keys())
    facts = {
        "commit": f"`{commit}`",
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        "seed": seed,
        "kills": f"{tally.kills.total()}: {_of(tally, SERVER)} of the server, {_of(tally, DEVICE)} of devices"
        + (f", {_of(tally, DELETION)} of deletions" if cameras else ""),
        "rounds closed": tally.rounds,
        "updates accepted": tally.accepted,
        "checks of all invariants": tally.checks,
        **({"deletions that came to their end": tally.deletions} if cameras else {}),
        "seconds": round(seconds),
    }
    unvisited = sorted(tally.places - tally.kills.keys())
    lines = [
        f"# {tally.kills.total()} kills, nothing lost",
        "",
        _INTRODUCTION_CAMERAS if cameras else _INTRODUCTION,
        "",
        *_table("fact", "value", facts),
        "",
        "## What was checked after every kill",
        "",
        _CHECKED + (_CHECKED_CAMERAS if cameras else ""),
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
