"""The log of a walk, as it is kept in docs/evidence."""

from pathlib import Path

from tests.kills.walk import KINDS, Tally


def write_log(path: Path, tally: Tally, seed: int, seconds: float, commit: str) -> None:
    pass
