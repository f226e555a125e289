"""What loaders say where a copy of a data set is missing or only partly unpacked."""

from collections.abc import Sequence
from pathlib import Path

from shared_models.errors import DataError


def require(path: Path, data_set: str, layout: str) -> Path:
    """`path`; raises DataError, with the layout that is expected, where neither a file nor a folder is there."""
    if not path.exists():
        raise DataError(f"There is no {path}", why=f"this is not a complete copy of {data_set}", fix=layout)
    return path


def require_listed(missing: Sequence[str], listed: int, what: str, origin: str, layout: str) -> None:
    """Raises DataError where any of the `listed` files that `origin` names are `missing`; what: `images`, `videos`."""
    if missing:
        raise DataError(
            f"{len(missing)} of the {listed} {what} that {origin} lists are missing, the first is {missing[0]}",
            why="the copy was only partly unpacked",
            fix=layout,
        )


def visible(folder: Path, pattern: str) -> list[Path]:
    """What matches in `folder`, sorted, without the hidden files that other systems leave."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
