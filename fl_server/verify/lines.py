"""Ledger entries from their lines, without looking at how they are linked."""

from collections.abc import Iterable
from pathlib import Path

from shared_models.canonical import canonical
from shared_models.errors import LedgerError
from shared_models.privacy.ledger import Entry, parse_entry


def entries_of(raw: bytes) -> list[Entry]:
    """The entries of `raw`, one a line. Every byte counts: only the canonical form is taken.

    Raises LedgerError where a line is damaged or not complete.
    """
    *lines, rest = raw.split(b"\n")
    if rest:
        raise LedgerError("The last line of a ledger is not complete")
    return [_entry(line) for line in lines]


def complete_lines(path: Path) -> bytes:
    """What is in `path` up to the last line end, behind which another process may be writing; nothing without it."""
    raw = path.read_bytes() if path.exists() else b""
    return raw[: raw.rfind(b"\n") + 1]


def as_lines(entries: Iterable[Entry]) -> bytes:
    """The same entries as a file holds them."""
    return b"".join(canonical(entry.model_dump(mode="json")) + b"\n" for entry in entries)


def _entry(line: bytes) -> Entry:
    entry = parse_entry(line)
    if canonical(entry.model_dump(mode="json")) != line:
        raise LedgerError(f"The line of ledger entry {entry.seq} was changed", why="it is not in canonical form")
    return entry
