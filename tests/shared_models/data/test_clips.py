from pathlib import Path

import cv2
import numpy as np
import pytest

from shared_models.data.clips import is_still, read_frames
from shared_models.errors import DataError

RATE = 10


def picture(brightness: int) -> np.ndarray:
    return np.full((32, 40, 3), brightness, dtype=np.uint8)


def write_video(path: Path, brightnesses: list[int]) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (40, 32))
    for brightness in brightnesses:
        video.write(picture(brightness))
    video.release()
    return path


def write_folder(folder: Path, names: list[str]) -> Path:
    """Frames whose brightness is 10 times their place in `names`."""
    folder.mkdir()
    for place, name in enumerate(names):
        cv2.imwrite(str(folder / name), picture(10 * place))
    return folder


def brightness(frames: list[np.ndarray]) -> list[int]:
    return [round(float(frame.mean())) for frame in frames]


def test_a_video_is_sampled_evenly_from_first_to_last(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", list(range(0, 210, 5)))
    frames = read_frames(video, 6)
    assert {frame.shape for frame in frames} == {(32, 40, 3)}
    np.testing.assert_allclose(brightness(frames), [0, 40, 80, 125, 165, 205], atol=2)


def test_start_and_end_are_seconds(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", list(range(0, 210, 5)))
    np.testing.assert_allclose(brightness(read_frames(video, 3, start=1, end=3.1)), [50, 100, 150], atol=2)
    np.testing.assert_allclose(brightness(read_frames(video, 2, start=2.0)), [100, 205], atol=2)
    np.testing.assert_allclose(brightness(read_frames(video, 2, end=2.0)), [0, 95], atol=2)


def test_a_short_clip_repeats_frames_in_order(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", [0, 100, 200])
    np.testing.assert_allclose(brightness(read_frames(video, 6)), [0, 0, 100, 100, 200, 200], atol=2)


def test_frames_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clip", ["frame1.png", "frame2.png", "frame10.png", "frame11.png"])
    (folder / "notes.txt").write_text("not a frame")
    (folder / "._frame1.png").write_bytes(b"left by another system")
    assert brightness(read_frames(folder, 4)) == [0, 10, 20, 30]


def test_an_image_is_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "face.PNG"), picture(70))
    assert is_still(tmp_path / "face.PNG")
    assert brightness(read_frames(tmp_path / "face.PNG", 16)) == [70]


def test_a_folder_may_be_called_like_an_image(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clip.png", ["a.png", "b.png"])
    assert not is_still(folder)
    assert brightness(read_frames(folder, 2)) == [0, 10]


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4", "clip"])
def test_an_unreadable_video_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no video at all")
    with pytest.raises(DataError, match=f"{name} cannot be read as a video. Check the file"):
        read_frames(tmp_path / name, 4)


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "face.jpg").write_bytes(b"no image at all")
    with pytest.raises(DataError, match=r"face\.jpg cannot be read as an image"):
        read_frames(tmp_path / "face.jpg", 4)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    with pytest.raises(DataError, match=r"The folder .*clip holds no images. Fill it with .*\.png"):
        read_frames(tmp_path / "clip", 4)


def test_a_start_after_the_video_s_end_gives_its_length(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", [0, 100, 200])
    with pytest.raises(DataError, match=r"no frame between the given start and end. it is 0\.30 s long"):
        read_frames(video, 4, start=5, end=6)


def test_a_truncated_video_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "clip.avi", [0, 100, 200])
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Promising(frames=40, decodable=10))
    with pytest.raises(DataError, match=r"breaks off early. fewer than half"):
        read_frames(video, 4)


def test_the_last_frame_stands_in_for_promised_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "clip.avi", [0, 100, 200])
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Promising(frames=40, decodable=38))
    assert brightness(read_frames(video, 4)) == [0, 13, 26, 26]


class Promising:
    """A video whose header promises more frames than can be decoded; frame i has brightness i."""

    def __init__(self, frames: int, decodable: int) -> None:
        self.frames, self.decodable, self.position = frames, decodable, -1

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FPS: RATE, cv2.CAP_PROP_FRAME_COUNT: self.frames}[what]

    def set(self, _what: int, position: int) -> None:
        self.position = position - 1

    def grab(self) -> bool:
        self.position += 1
        return self.position < self.decodable

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, picture(self.position)

    def release(self) -> None:
        pass


@pytest.mark.parametrize("name", ["face.png", "folder"])
def test_only_videos_have_a_start_and_end(tmp_path: Path, name: str) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), picture(70))
    write_folder(tmp_path / "folder", ["a.png"])
    with pytest.raises(DataError, match=f"{name} is not a video, so it cannot have a start or end"):
        read_frames(tmp_path / name, 4, start=1)
