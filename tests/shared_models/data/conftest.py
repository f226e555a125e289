"""A reader that finds a face in every picture that is not black, and keeps what it found in the test's own folder."""

from pathlib import Path

import numpy as np
import platformdirs
import pytest

from shared_models.data.face_cache import FaceCache
from shared_models.data.faces import Face
from shared_models.data.films import FilmReader


class BrightFace:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def find(self, frame: np.ndarray) -> list[Face]:
        self.asked += 1
        return [Face((20, 20, 60, 60))] if frame.max() > 20 else []


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where faces are kept in this test."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "caches" / name))
    return tmp_path / "caches" / "attune" / "faces"


@pytest.fixture
def finder() -> BrightFace:
    return BrightFace()


@pytest.fixture
def reader(finder: BrightFace, cache_folder: Path) -> FilmReader:
    return FilmReader(finder, "bright", FaceCache(cache_folder))
