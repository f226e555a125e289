"""Labelled clips become sequences of face crops: what every loader of recorded people ends in."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from shared_models.canonical import canonical_hash
from shared_models.data import clips, crops, faces
from shared_models.data.clips import frame_files, is_still, read_frames
from shared_models.data.crops import find_crops, pixel_digest, shrink_frames
from shared_models.data.face_cache import FaceCache, Film, default_folder
from shared_models.data.faces import FaceFinder, HaarFinder
from shared_models.data.labels import LabelScheme, Target
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES, Sequences
from shared_models.data.stills import move_camera
from shared_models.errors import DataError

Progress = Callable[[str, int, int], None]
_STAGE = "faces"
_NAMED = 20  # of the clips that are dropped
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """A video or a part of it, a folder of frames, or an image, with its label; nothing is opened yet.

    name:       what it is called where it is dropped
    target:     as the scheme's output has it, a number a class
    start, end: seconds, or None for where the video starts or ends
    region:     left, top, right, bottom of the part of the picture to look at, as shares of its size
    cropped:    it shows a face and nothing else, so that none is looked for
    where:      the line that lists it, for errors; empty where the path says enough
    groups:     what the data set says of who is seen, such as {"gender": "female"}
    """

    name: str
    subject: str | None
    target: Target
    path: Path
    start: float | None = None
    end: float | None = None
    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    cropped: bool = False
    where: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)

    def frames(self) -> list[np.ndarray]:
        """SEQUENCE_FRAMES frames, or the one of a still: (H, W, 3) uint8 BGR, the region only."""
        left, top, right, bottom = self.region
        frames = read_frames(self.path, SEQUENCE_FRAMES, self.start, self.end)
        height, width = frames[0].shape[:2]
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        return [frame[rows, columns] for frame in frames]


class FilmReader:
    """Reads clips, and finds the faces in one only where the cache does not hold them.

    detector: names `finder` in the cache's keys, with its model file where it has one
    """

    def __init__(self, finder: FaceFinder, detector: str, cache: FaceCache) -> None:
        self._finder, self._cache = finder, cache
        self._hashes: dict[Path, str] = {}
        self._way = {"detector": detector, "frames": SEQUENCE_FRAMES, "crop": CROP_SIZE, "code": _code_hash()}

    def read(self, clip: Clip) -> Film:
        """Raises DataError where the clip cannot be read."""
        if clip.cropped:
            frames = clip.frames()
            return Film(pixel_digest(frames), shrink_frames(frames))
        key = self._key(clip)
        film = self._cache.get(key)
        if film is None:
            frames = clip.frames()
            film = Film(pixel_digest(frames), find_crops(frames, self._finder))
            self._cache.put(key, film)
        return film

    def _key(self, clip: Clip) -> str:
        """Of all that the crops follow from: the file's content, the part of it, and the way that faces are found."""
        if clip.path not in self._hashes:  # many utterances lie in one long video
            self._hashes[clip.path] = _content_hash(clip.path)
        part: dict[str, Any] = {"start": clip.start, "end": clip.end, "region": clip.region}
        return canonical_hash({"content": self._hashes[clip.path]} | part | self._way)


def default_reader() -> FilmReader:
    """With the face finder that needs no file, and the user's cache."""
    return FilmReader(HaarFinder(), "haar", FaceCache(default_folder()))


def read_films(
    listed: Sequence[Clip],
    scheme: LabelScheme,
    origin: str,
    reader: FilmReader,
    progress: Progress = lambda stage, done, total: None,
) -> Sequences:
    """The clips as sequences (N, T, 1, H, W), in their order.

    A still becomes T frames by small camera motion. A frame that does not show exactly one face takes the crop of the
    nearest frame that does; a clip where fewer than half do is dropped, and a warning is logged that names `origin`.

    Raises DataError where a clip cannot be read, and where none is left.
    """
    kept: list[tuple[Clip, Film]] = []
    films: list[np.ndarray] = []
    dropped: list[str] = []
    for number, clip in enumerate(listed, start=1):
        with naming(clip.where):
            film = reader.read(clip)
        progress(_STAGE, number, len(listed))
        if film.crops is None:
            dropped.append(clip.name)
            continue
        kept.append((clip, film))
        films.append(move_camera(film.crops[0], film.digest) if is_still(clip.path) else film.crops)
    _report_drops(origin, dropped, len(listed))
    traits = sorted({name for clip, _ in kept for name in clip.groups})
    return Sequences(
        scheme=scheme,
        frames=np.stack(films)[:, :, None],
        targets=np.array([clip.target for clip, _ in kept], np.float32),
        subjects=tuple(clip.subject for clip, _ in kept),
        digests=tuple(film.digest for _, film in kept),
        groups={name: tuple(clip.groups.get(name) for clip, _ in kept) for name in traits},
    )


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Puts `where`, the line that an entry stands in, before a DataError about it; nothing where it is empty."""
    try:
        yield
    except DataError as error:
        if not where:
            raise
        raise DataError(f"{where}: {error.what}", why=error.why, fix=error.fix) from error


def _report_drops(origin: str, dropped: list[str], total: int) -> None:
    if len(dropped) == total:
        raise DataError(
            f"None of the {total} clips of {origin} can be used",
            why="exactly one face was found in fewer than half of the frames of each",
            fix="Check that faces are upright and large enough, or list face crops in a manifest with faces = cropped",
        )
    if dropped:
        why = "exactly one face in fewer than half of the frames"
        names = ", ".join(dropped[:_NAMED]) + (", ..." if len(dropped) > _NAMED else "")
        _log.warning("%s: dropped %d of %d clips, %s: %s", origin, len(dropped), total, why, names)


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's frames."""
    digest = hashlib.sha256()
    for file in frame_files(path) if path.is_dir() else [path]:
        digest.update(file.name.encode() + b"\0" if path.is_dir() else b"")
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise DataError(f"{file} cannot be read", why=error.strerror or str(error)) from error
    return digest.hexdigest()


def _code_hash() -> str:
    """Of the code that reads frames and finds faces: nobody has to remember that a change of it makes crops stale."""
    digest = hashlib.sha256(cv2.__version__.encode())
    for module in (clips, crops, faces):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()
