import csv
import stat
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from fl_client.export import export
from fl_client.pictures import thumbnail
from fl_client.stored_sequence import Damaged, StoredSequence
from shared_models import files
from shared_models.errors import StorageError, UsageError

TIME = datetime(2031, 5, 17, 9, 30, tzinfo=UTC)


def sequence(seed: int) -> StoredSequence:
    frames = np.random.default_rng(seed).integers(0, 256, (4, 1, 6, 5), dtype=np.uint8)
    return StoredSequence(f"{seed:032x}", frames, 1, "happiness", "probe", TIME)


def picture(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def test_every_pixel_and_fact_can_be_read_without_this_program(tmp_path) -> None:
    folder = tmp_path / "mine"
    assert export([sequence(1), Damaged("f" * 32, "its file is missing"), sequence(2)], folder) == (2, 1)
    with (folder / "sequences.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["id"] for row in rows] == [sequence(seed).id for seed in (1, 2)]
    assert rows[0] == {
        "picture": "0001.png",
        "id": sequence(1).id,
        "captured_at": "2031-05-17T09:30:00+00:00",
        "label": "happiness",
        "source": "probe",
        "frames": "4",
        "height": "6",
        "width": "5",
    }
    for row, seed in zip(rows, (1, 2), strict=True):
        strip = picture((folder / row["picture"]).read_bytes())
        np.testing.assert_array_equal(np.stack(np.split(strip, 4, axis=1)), sequence(seed).frames[:, 0])
    readme = (folder / "README.txt").read_text()
    assert "not encrypted" in readme
    assert f"{'f' * 32}, its file is missing" in readme
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("there", ["a file in it", "a file in its place"])
def test_nothing_is_overwritten(tmp_path, there) -> None:
    folder = tmp_path / "mine"
    if there == "a file in it":
        folder.mkdir()
        (folder / "0001.png").write_bytes(b"mine")
    else:
        folder.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is there already"):
        export([sequence(1)], folder)
    assert (folder / "0001.png" if folder.is_dir() else folder).read_bytes() == b"mine"


def test_a_disk_that_fills_up_leaves_no_half_of_it_behind(tmp_path, monkeypatch) -> None:
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        export([sequence(1), sequence(2)], tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_thumbnail_is_the_frame_in_the_middle() -> None:
    np.testing.assert_array_equal(picture(thumbnail(sequence(1).frames)), sequence(1).frames[2, 0])
