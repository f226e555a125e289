"""DAiSEE: students before their own webcams, watching lessons (Gupta et al. 2016, arXiv 1609.01885).

Read from its own layout: `DataSet/Train/110001/1100011002/1100011002.avi` is a clip of ten seconds, and
`Labels/TrainLabels.csv` has the levels, 0 to 3, of four states for each. The official splits share no student.
"""

import csv
import logging
from pathlib import Path
from typing import Literal, get_args

from shared_models.data.films import Clip
from shared_models.data.labels import LabelScheme, Target
from shared_models.data.layout import require, require_listed
from shared_models.data.targets import reached
from shared_models.errors import DataError

Split = Literal["Train", "Validation", "Test"]
SPLITS: tuple[Split, ...] = get_args(Split)
STATES = ("boredom", "engagement", "confusion", "frustration")
_SUBJECT_DIGITS = 6
_LEVELS = {"0", "1", "2", "3"}
_MAY_BE_MISSING = 0.01  # of the clips of a split: published copies lack a few
_LAYOUT = (
    "Unpack DAiSEE so that the folder holds DataSet/Train, DataSet/Validation and DataSet/Test with the videos, and"
    " Labels with TrainLabels.csv, ValidationLabels.csv and TestLabels.csv"
)
_log = logging.getLogger(__name__)


def daisee_clips(folder: Path, split: Split, scheme: LabelScheme) -> list[Clip]:
    """The clips of one split, with their four levels or the one class that these come down to; a subject is six digits.

    That class is the state at the highest level, as a student would tap on it. Left out of schemes with one class a
    sequence: clips where several states share the highest level, since no single class would be right.

    Raises DataError, naming the line, where the layout is incomplete or cannot be read, or `scheme` does not fit.
    """
    videos = require(folder / "DataSet" / split, "DAiSEE", _LAYOUT)
    table = require(folder / "Labels" / f"{split}Labels.csv", "DAiSEE", _LAYOUT)
    labels = _read_labels(table)
    paths = {name: _video(videos, name) for name in labels}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if len(missing) > _MAY_BE_MISSING * len(labels):
        require_listed(missing, len(labels), "videos", str(table), _LAYOUT)
    if missing:
        _log.warning("%s: %d of %d videos are missing: %s", table, len(missing), len(labels), ", ".join(missing))

    clips = [
        Clip(name, name[:_SUBJECT_DIGITS], target, paths[name])
        for name, target in _targets(labels, scheme).items()
        if name not in missing
    ]
    if not clips:
        raise DataError(f"No clip of {table} has a usable label", fix=_LAYOUT)
    _log.info("DAiSEE %s: kept %d of %d clips", split, len(clips), len(labels))
    return clips


def _targets(labels: dict[str, dict[str, int]], scheme: LabelScheme) -> dict[str, Target]:
    """By clip, of those that have one."""
    if scheme.output == "levels":
        return {name: reached(scheme, levels) for name, levels in labels.items()}
    names = [f"{state}:{level}" for state in STATES for level in sorted(_LEVELS)]
    classes = scheme.targets({name: name for name in names})
    return {name: classes[highest] for name, levels in labels.items() if (highest := _highest(levels))}


def _highest(levels: dict[str, int]) -> str | None:
    """The state with the highest level, such as `engagement:3`; None where several share it."""
    [first, level], [_, next_level] = sorted(levels.items(), key=lambda item: -item[1])[:2]
    return f"{first}:{level}" if level > next_level else None


def _video(folder: Path, name: str) -> Path:
    """Where the clip `name` lies; a few are MP4 files."""
    clip = folder / name[:_SUBJECT_DIGITS] / name / name
    return clip.with_suffix(".mp4") if clip.with_suffix(".mp4").is_file() else clip.with_suffix(".avi")


def _read_labels(table: Path) -> dict[str, dict[str, int]]:
    """The level of each state, by the clip's name without its suffix."""
    labels: dict[str, dict[str, int]] = {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            names = [name.strip().lower() for name in next(reader, [])]  # "Frustration " in the official files
            if not {"clipid", *STATES} <= set(names):
                raise DataError(f"{table} is not a label table of DAiSEE", why=f"its columns are {names}", fix=_LAYOUT)
            for cells in reader:
                row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
                name = Path(row.get("clipid", "")).stem
                if not name.isdecimal() or any(row.get(state) not in _LEVELS for state in STATES):
                    raise DataError(
                        f"Line {reader.line_num} of {table} is not a label of DAiSEE",
                        why=f"it should hold a clip and the levels, 0 to 3, of {', '.join(STATES)}",
                        fix=_LAYOUT,
                    )
                labels[name] = {state: int(row[state]) for state in STATES}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read", why=str(error), fix=_LAYOUT) from error
    return labels
