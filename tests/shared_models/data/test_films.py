import logging
from dataclasses import replace
from pathlib import Path

import cv2
import data_sets
import numpy as np
import pytest

from shared_models.data import films
from shared_models.data.face_cache import FaceCache
from shared_models.data.films import Clip, FilmReader, read_films
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES
from shared_models.errors import DataError

SCHEME = scheme_by_name("basic-7")


def gray(brightness: int) -> np.ndarray:
    return np.full((100, 120, 3), brightness, dtype=np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """Two seconds that grow brighter."""
    data_sets.video_of([gray(10 * n) for n in range(4, 24)], tmp_path / "clip.avi")
    return Clip("clip", "p", SCHEME.one_hot(3), tmp_path / "clip.avi")


def test_a_face_is_looked_for_only_once(clip, reader, finder, cache_folder) -> None:
    first = read_films([clip], SCHEME, "a set", reader)
    assert finder.asked == SEQUENCE_FRAMES
    again = read_films([clip], SCHEME, "a set", FilmReader(finder, "bright", FaceCache(cache_folder)))
    assert finder.asked == SEQUENCE_FRAMES
    np.testing.assert_array_equal(first.frames, again.frames)
    assert first.digests == again.digests
    assert first.frames.shape == (1, SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE)


def test_that_there_is_none_is_remembered_too(tmp_path, clip, reader, finder) -> None:
    data_sets.video_of([gray(0)] * 3, tmp_path / "dark.avi")
    dark = replace(clip, path=tmp_path / "dark.avi")
    for _ in range(2):
        read_films([clip, dark], SCHEME, "a set", reader)
    assert finder.asked == 2 * SEQUENCE_FRAMES


def test_a_copy_elsewhere_is_known_and_a_changed_file_is_not(tmp_path, clip, reader, finder) -> None:
    reader.read(clip)
    (tmp_path / "copy.avi").write_bytes(clip.path.read_bytes())
    reader.read(replace(clip, path=tmp_path / "copy.avi", name="other", subject="q", target=SCHEME.one_hot(1)))
    assert finder.asked == SEQUENCE_FRAMES
    data_sets.video_of([gray(9 * n) for n in range(4, 24)], tmp_path / "other.avi")
    reader.read(replace(clip, path=tmp_path / "other.avi"))
    assert finder.asked == 2 * SEQUENCE_FRAMES


@pytest.mark.parametrize("change", [{"start": 0.5}, {"end": 1.0}, {"region": (0.0, 0.0, 0.5, 1.0)}])
def test_another_part_of_the_file_is_looked_at_anew(clip, reader, finder, change) -> None:
    whole, part = reader.read(clip), reader.read(replace(clip, **change))
    assert finder.asked == 2 * SEQUENCE_FRAMES
    assert whole.digest != part.digest


@pytest.mark.parametrize(
    "change", [("CROP_SIZE", 64), ("SEQUENCE_FRAMES", 8), ("_code_hash", lambda: "other code"), (None, None)]
)
def test_another_way_to_find_faces_makes_what_is_kept_stale(
    clip, reader, finder, cache_folder, monkeypatch, change
) -> None:
    reader.read(clip)
    before, (name, value) = finder.asked, change
    if name:
        monkeypatch.setattr(films, name, value)
    FilmReader(finder, "bright" if name else "yunet", FaceCache(cache_folder)).read(clip)
    assert finder.asked > before


def test_a_folder_of_frames_is_known_by_all_its_frames(tmp_path, clip, reader, finder) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), gray(50 + 10 * number))
    frames = replace(clip, path=folder)
    reader.read(frames)
    FilmReader(finder, "bright", reader._cache).read(frames)
    assert finder.asked == SEQUENCE_FRAMES
    cv2.imwrite(str(folder / "1.png"), gray(99))
    FilmReader(finder, "bright", reader._cache).read(frames)
    assert finder.asked == 2 * SEQUENCE_FRAMES


def test_a_region_is_all_that_is_seen(tmp_path, clip, reader) -> None:
    frame = np.hstack([gray(60), gray(200)])
    data_sets.video_of([frame] * 3, tmp_path / "two.avi")
    halves = [
        replace(clip, path=tmp_path / "two.avi", region=region)
        for region in ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0))
    ]
    brightness = read_films(halves, SCHEME, "a set", reader).frames.mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(brightness, [60, 200], atol=3)


def test_clips_without_a_face_are_dropped_counted_and_named(tmp_path, clip, reader, caplog) -> None:
    data_sets.video_of([gray(0)] * 3, tmp_path / "dark.avi")
    dark = replace(clip, name="dark one", path=tmp_path / "dark.avi")
    told = []
    with caplog.at_level(logging.WARNING):
        kept = read_films([dark, clip], SCHEME, "a set", reader, lambda *what: told.append(what))
    assert (kept.subjects, kept.labels.tolist()) == (("p",), [3])
    assert "a set: dropped 1 of 2 clips" in caplog.text
    assert caplog.text.rstrip().endswith("dark one")
    assert told == [("faces", 1, 2), ("faces", 2, 2)]
    with pytest.raises(DataError, match="None of the 1 clips of a set can be used"):
        read_films([dark], SCHEME, "a set", reader)


def test_an_error_names_the_line_where_there_is_one(tmp_path, clip, reader) -> None:
    (tmp_path / "clip.avi").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"^\S+clip\.avi cannot be read as a video"):
        read_films([clip], SCHEME, "a set", reader)
    with pytest.raises(DataError, match=r"^Line 7 of a list: .*cannot be read as a video"):
        read_films([replace(clip, where="Line 7 of a list")], SCHEME, "a set", reader)


def test_a_file_that_vanished_is_an_error(tmp_path, clip, reader) -> None:
    clip.path.unlink()
    with pytest.raises(DataError, match=r"clip\.avi cannot be read: No such file"):
        reader.read(clip)
