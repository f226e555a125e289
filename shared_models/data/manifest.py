"""The plain manifest: a CSV file that lists clips (videos, folders of frames, images) with their labels."""

import csv
import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared_models.data.clips import is_still, read_frames
from shared_models.data.crops import find_crops, pixel_digest, shrink_frames
from shared_models.data.faces import FaceFinder
from shared_models.data.labels import LabelScheme
from shared_models.data.sequences import SEQUENCE_FRAMES, Sequences
from shared_models.data.stills import move_camera
from shared_models.errors import DataError

_REQUIRED = ("clip_id", "subject_id", "label", "path")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """One line of a manifest; `target` is a class index, start and end are seconds or None."""

    line: int
    name: str
    subject: str | None
    target: int
    path: Path
    start: float | None
    end: float | None
    cropped: bool


def load_manifest(path: Path, scheme: LabelScheme, finder: FaceFinder) -> Sequences:
    """Read every clip of the manifest at `path` as a sequence (T, 1, H, W) of face crops, one-hot targets.

    Columns: clip_id, subject_id (may be empty), label, path (relative to the manifest's folder), and if
    wanted start and end (seconds, videos only) and faces (`cropped` where the images are faces already, so
    that none is looked for). Other columns are ignored. A clip is sampled evenly to T frames; a single
    image becomes T frames by small camera motion. A frame that does not show exactly one face takes the
    crop of the nearest frame that does; a clip where fewer than half do is dropped, and a warning is logged.

    Raises DataError, naming the line, where the manifest or a file that it lists cannot be used, and where
    no clip is left.
    """
    clips = read_clips(path, scheme)
    kept: list[Clip] = []
    films: list[np.ndarray] = []
    digests: list[str] = []
    dropped: list[str] = []
    for clip in clips:
        with _naming_line(path, clip.line):
            frames = read_frames(clip.path, SEQUENCE_FRAMES, clip.start, clip.end)
        crops = shrink_frames(frames) if clip.cropped else find_crops(frames, finder)
        if crops is None:
            dropped.append(clip.name)
            continue
        digest = pixel_digest(frames)
        kept.append(clip)
        films.append(move_camera(crops[0], digest) if is_still(clip.path) else crops)
        digests.append(digest)
    _report_drops(path, dropped, len(clips))
    return Sequences(
        scheme=scheme,
        frames=np.stack(films)[:, :, None],
        targets=np.eye(len(scheme.classes), dtype=np.float32)[[clip.target for clip in kept]],
        subjects=tuple(clip.subject for clip in kept),
        digests=tuple(digests),
    )


def read_clips(path: Path, scheme: LabelScheme) -> list[Clip]:
    """The lines of the manifest at `path`, all checked before any clip is opened.

    Raises DataError, naming the line, where one cannot be used.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="")
            _check_columns(path, reader.fieldnames or ())
            clips = []
            for row in reader:
                with _naming_line(path, reader.line_num):
                    clips.append(_parse(row, reader.line_num, path.parent, scheme))
    except OSError as error:
        raise DataError(f"The manifest {path} cannot be read", why=error.strerror or "") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The manifest {path} is not a CSV file in UTF-8", why=str(error)) from error
    if not clips:
        raise DataError(f"The manifest {path} lists no clips", fix="Add one line for each clip")
    return clips


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    missing = [column for column in _REQUIRED if column not in columns]
    if missing:
        raise DataError(
            f"Line 1 of {path} lacks the column {', '.join(missing)}",
            fix=f"Begin the manifest with the line {','.join(_REQUIRED)}[,start,end,faces]",
        )


def _parse(row: dict[str, str], line: int, folder: Path, scheme: LabelScheme) -> Clip:
    clip = Clip(
        line=line,
        name=row["clip_id"],
        subject=row["subject_id"].strip() or None,
        target=scheme.index(row["label"]),
        path=folder / row["path"],
        start=_seconds(row, "start"),
        end=_seconds(row, "end"),
        cropped=_is_cropped(row.get("faces", "")),
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


@contextmanager
def _naming_line(path: Path, line: int) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"Line {line} of {path}: {error.what}", why=error.why, fix=error.fix) from error


def _report_drops(path: Path, dropped: list[str], total: int) -> None:
    if len(dropped) == total:
        raise DataError(
            f"None of the {total} clips of {path} can be used",
            why="exactly one face was found in fewer than half of the frames of each",
            fix="Check that faces are upright and large enough, or mark face crops with faces = cropped",
        )
    if dropped:
        why = "exactly one face in fewer than half of the frames"
        _log.warning("%s: dropped %d of %d clips, %s: %s", path, len(dropped), total, why, ", ".join(dropped))
