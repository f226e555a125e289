"""Faces that were found once, kept on disk, so that a data set is searched for faces only the first time.

The cache holds pictures of people. Its folder and files are readable by their owner only, and it lies apart from the
data sets, which are often read-only and shared.
"""

import io
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from shared_models.errors import StorageError
from shared_models.files import atomic_write, storage_errors

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Film:
    """What is wanted of a clip.

    digest: of the pixels that were looked at, by `pixel_digest`
    crops:  (T, CROP_SIZE, CROP_SIZE) uint8, T = 1 for a still; None where fewer than half of the frames show one face
    """

    digest: str
    crops: np.ndarray | None


def default_folder() -> Path:
    """`attune/faces` in the user's folder for caches: on Linux below $XDG_CACHE_HOME, else ~/.cache."""
    return Path(platformdirs.user_cache_dir("attune")) / "faces"


class FaceCache:
    """One file a clip, in `folder`, which is made when something is first kept. A key is 64 hex digits."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._writable = folder, True

    def get(self, key: str) -> Film | None:
        """None where nothing is kept under `key`, or what is kept cannot be read any more."""
        try:
            with np.load(io.BytesIO(self._path(key).read_bytes()), allow_pickle=False) as kept:
                digest, crops = str(kept["digest"]), kept["crops"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return Film(digest, crops if len(crops) else None)

    def put(self, key: str, film: Film) -> None:
        """Where the cache cannot be written, this is logged once, and nothing more is kept: it only saves time."""
        if not self._writable:
            return
        path, content = self._path(key), io.BytesIO()
        crops = np.empty((0, 0, 0), np.uint8) if film.crops is None else film.crops
        np.savez_compressed(content, digest=np.array(film.digest), crops=crops)
        try:
            with storage_errors(path):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_write(path, content.getvalue())
        except StorageError as error:
            self._writable = False
            _log.warning("Faces that are found are not kept for the next time. %s", error)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.npz"
