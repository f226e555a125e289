import pickle
import stat
from pathlib import Path

import numpy as np
import pytest

from shared_models.data.face_cache import FaceCache, Film, default_folder

KEY = "ab" * 32
FILM = Film("0123456789abcdef", np.arange(16 * 48 * 48, dtype=np.uint32).astype(np.uint8).reshape(16, 48, 48))


def test_what_is_put_is_got(tmp_path: Path) -> None:
    FaceCache(tmp_path / "faces").put(KEY, FILM)
    kept = FaceCache(tmp_path / "faces").get(KEY)
    assert kept is not None
    assert kept.crops is not None
    assert kept.digest == FILM.digest
    np.testing.assert_array_equal(kept.crops, FILM.crops)
    assert FaceCache(tmp_path / "faces").get("cd" * 32) is None


def test_that_no_face_was_found_is_kept_too(tmp_path: Path) -> None:
    FaceCache(tmp_path).put(KEY, Film("00", None))
    assert FaceCache(tmp_path).get(KEY) == Film("00", None)


def test_only_the_owner_can_read_it_and_no_half_file_is_left(tmp_path: Path) -> None:
    cache = FaceCache(tmp_path / "faces")
    cache.put(KEY, FILM)
    files = [path for path in (tmp_path / "faces").rglob("*") if path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    assert files[0].suffix == ".npz"


def pickled(path: Path) -> None:
    np.savez(path, digest=np.array("00"), crops=np.array([object], dtype=object))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_bytes(pickle.dumps("crops")),
        lambda path: np.savez(path, crops=np.zeros(3)),
        pickled,
    ],
)
def test_a_damaged_file_counts_as_none(tmp_path: Path, damage) -> None:
    cache = FaceCache(tmp_path)
    cache.put(KEY, FILM)
    [file] = tmp_path.rglob("*.npz")
    damage(file)
    assert cache.get(KEY) is None
    cache.put(KEY, FILM)
    assert cache.get(KEY) is not None


def test_a_folder_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path: Path, caplog) -> None:
    (tmp_path / "faces").write_text("a file where the folder should be")
    cache = FaceCache(tmp_path / "faces")
    for _ in range(3):
        cache.put(KEY, FILM)
    assert cache.get(KEY) is None
    assert [record.message.count("not kept for the next time") for record in caplog.records] == [1]


def test_it_lies_in_the_user_s_folder_for_caches(cache_folder: Path) -> None:
    assert default_folder() == cache_folder
