import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import LabelEvent, write_label_script, write_webcam
from shared_models.errors import DataError, StorageError

cv2.setNumThreads(1)


def frames_of(path: Path) -> list[np.ndarray]:
    video, frames = cv2.VideoCapture(str(path)), []
    assert video.get(cv2.CAP_PROP_FPS) == 8
    while True:
        more, frame = video.read()
        if not more:
            return frames
        frames.append(frame)


def test_a_video_holds_every_performance_and_labels_come_at_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "webcam.avi"
    events = write_webcam(path, person(3), ["happiness", "fear"], LAPTOP, seed=1)
    frames = frames_of(path)
    assert events == [LabelEvent(2.25, "happiness"), LabelEvent(4.5, "fear")]
    assert len(frames) == (2 * 2 + 3 * 0.25) * 8
    assert frames[0].shape == (480, 640, 3)


def test_a_performance_moves_more_than_the_gap_before_it(tmp_path: Path) -> None:
    path = tmp_path / "webcam.avi"
    events = write_webcam(path, person(3), ["surprise"], LAPTOP, seed=2)
    frames = frames_of(path)
    end = round(events[0].seconds * 8)
    gap, window = frames[:2], frames[end - 16 : end]

    def motion(stretch: list[np.ndarray]) -> float:
        soft = [cv2.GaussianBlur(frame, (0, 0), 4) for frame in stretch]
        return max(float(cv2.absdiff(soft[0], frame).mean()) for frame in soft)

    assert motion(window) > 1.5 * motion(gap)


def test_the_same_seed_writes_the_same_video(tmp_path: Path) -> None:
    for name in ("one.avi", "two.avi"):
        write_webcam(tmp_path / name, person(3), ["anger"], LAPTOP, seed=1)
    pairs = zip(frames_of(tmp_path / "one.avi"), frames_of(tmp_path / "two.avi"), strict=True)
    assert all(np.array_equal(one, two) for one, two in pairs)


def test_a_label_script_is_a_plain_table(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write_label_script(path, [LabelEvent(2.5, "anger"), LabelEvent(5.0, "neutral")])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["seconds", "label"], ["2.500", "anger"], ["5.000", "neutral"]]


def test_a_video_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        write_webcam(tmp_path / "absent" / "webcam.avi", person(3), ["anger"], LAPTOP, seed=1)


def test_an_unknown_label_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="boredom"):
        write_webcam(tmp_path / "webcam.avi", person(3), ["boredom"], LAPTOP, seed=1)
    assert not list(tmp_path.iterdir())
