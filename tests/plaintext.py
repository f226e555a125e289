"""Looks through the files of a program, while it runs too, for what must not lie there in the clear."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path


def files_holding(needles: Collection[bytes], folders: Iterable[Path]) -> Iterator[Path]:
    """The files below `folders` that hold one of `needles`. One that is gone by now holds nothing."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_socket():
                continue
            try:
                content = path.read_bytes()
            except (FileNotFoundError, IsADirectoryError):
                continue
            if any(needle in content for needle in needles):
                yield path
