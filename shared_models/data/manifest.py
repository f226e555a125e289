"""The plain manifest: a CSV file that lists clips (videos, folders of frames, images) with their labels."""

import csv
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from shared_models.data.films import Clip, naming
from shared_models.data.labels import LabelScheme
from shared_models.data.targets import label_columns, read_target
from shared_models.errors import DataError


def manifest_clips(path: Path, scheme: LabelScheme) -> list[Clip]:
    """The lines of the manifest at `path`, all checked before any clip is opened.

    Columns: clip_id, subject_id (may be empty), label (for values, one column each instead), path (relative to the
    manifest's folder), and if wanted start and end (seconds, videos only), faces (`cropped` where the images are faces
    already, so that none is looked for), and `group` or `group_NAME`: a trait of who is seen, empty where it is not
    known. Other columns are ignored.

    Raises DataError, naming the line, where one cannot be used.
    """
    clips = []
    for where, row in _rows(path, label_columns(scheme)):
        with naming(where):
            clips.append(_parse(row, where, path.parent, scheme))
    if not clips:
        raise DataError(f"The manifest {path} lists no clips", fix="Add one line for each clip")
    return clips


def manifest_labels(path: Path) -> set[str]:
    """The labels in the manifest at `path`, as they are written; raises DataError where it cannot be read."""
    return {row["label"] for _, row in _rows(path, ("label",))}


def _rows(path: Path, labels: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line's place, for errors, and what it holds; `labels` are the columns of its label.

    Raises DataError where the file is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restkey="", restval="")
            _check_columns(path, reader.fieldnames or (), labels)
            for row in reader:
                yield f"Line {reader.line_num} of {path}", row
    except OSError as error:
        raise DataError(f"The manifest {path} cannot be read", why=error.strerror or "") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The manifest {path} is not a CSV file in UTF-8", why=str(error)) from error


def _check_columns(path: Path, columns: Iterable[str], labels: tuple[str, ...]) -> None:
    required = ("clip_id", "subject_id", *labels, "path")
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(
            f"Line 1 of {path} lacks the column {', '.join(missing)}",
            fix=f"Begin the manifest with the line {','.join(required)}[,start,end,faces,group]",
        )


def _trait(column: str) -> str:
    """What a column of groups tells apart: `group_glasses` is glasses, `group` is group; empty for other columns."""
    return column if column == "group" else column.removeprefix("group_") if column.startswith("group_") else ""


def _parse(row: dict[str, str], where: str, folder: Path, scheme: LabelScheme) -> Clip:
    clip = Clip(
        name=row["clip_id"],
        subject=row["subject_id"].strip() or None,
        target=read_target(scheme, row),
        path=folder / row["path"],
        start=_seconds(row, "start"),
        end=_seconds(row, "end"),
        cropped=_is_cropped(row.get("faces", "")),
        where=where,
        groups={trait: value for column in row if (trait := _trait(column)) and (value := row[column].strip())},
    )
    if not row["path"] or not clip.path.exists():
        raise DataError(f"There is no file or folder '{row['path']}'", why=f"paths are relative to {folder}")
    if clip.end is not None and (clip.start or 0) >= clip.end:
        raise DataError(f"The start, {clip.start or 0:g} s, is not before the end, {clip.end:g} s")
    return clip


def _seconds(row: dict[str, str], column: str) -> float | None:
    text = row.get(column, "").strip()
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = math.nan
    if seconds is not None and not 0 <= seconds < math.inf:
        raise DataError(f"The {column} '{text}' is not a time in seconds")
    return seconds


def _is_cropped(text: str) -> bool:
    if text.strip() not in ("", "cropped"):
        raise DataError(f"The column faces says '{text}'", fix="Write cropped, or leave it empty")
    return text.strip() == "cropped"
