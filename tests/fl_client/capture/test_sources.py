import time

import cv2
import numpy as np
import pytest

from fl_client.capture.sources import CameraSource, FolderSource, VideoSource, open_source
from shared_models.errors import CameraError

cv2.setNumThreads(1)


def image(value):
    return np.full((48, 64, 3), value, np.uint8)


@pytest.fixture
def video(tmp_path):
    """A 2 s video of 25 frames a second, brighter with each frame."""
    path = tmp_path / "student.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for i in range(50):
        writer.write(image(4 * i))
    writer.release()
    return path


class FakeCamera:
    """Stands for cv2.VideoCapture: delivers `frames` frames, a tenth of a second apart, then is unplugged."""

    def __init__(self, frames, opened=True):
        self.left, self.opened, self.released = frames, opened, False

    def isOpened(self):  # noqa: N802
        return self.opened

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, image(self.left)

    def release(self):
        self.released = True


@pytest.fixture
def plug_in(monkeypatch):
    def plug_in(camera):
        ticks = iter(range(1000, 2000))
        monkeypatch.setattr(cv2, "VideoCapture", lambda index: camera)
        monkeypatch.setattr(time, "monotonic", lambda: next(ticks) / 10)
        return camera

    return plug_in


def test_a_video_keeps_its_own_timeline(video):
    with open_source(str(video), 25) as source:
        assert isinstance(source, VideoSource)
        times, frames = zip(*source, strict=True)
    assert times == pytest.approx(np.arange(50) / 25)
    assert frames[0].shape == (48, 64, 3)
    assert frames[0].dtype == np.uint8
    assert [frame.mean() for frame in frames] == pytest.approx(4 * np.arange(50), abs=3)


@pytest.mark.parametrize(("fps", "count"), [(10, 20), (8, 16), (100, 50)])
def test_a_faster_video_is_sampled_down(video, fps, count):
    with open_source(str(video), fps) as source:
        times = [seconds for seconds, _ in source]
    assert len(times) == count
    wanted = np.arange(count) / min(fps, 25)
    assert (np.array(times) >= wanted - 0.001).all()
    assert (np.array(times) < wanted + 0.04).all()


@pytest.mark.parametrize("content", [b"", b"not a video" * 100])
def test_a_video_that_cannot_be_read_is_named(tmp_path, content, capfd):
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(CameraError, match=r"broken\.mp4 cannot be read"):
        open_source(str(path), 10)
    assert capfd.readouterr().err == ""


def test_a_video_without_frames_is_named(tmp_path, video):
    path = tmp_path / "header.avi"
    content = video.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    with (
        pytest.raises(CameraError, match=r"header\.avi cannot be read"),
        open_source(str(path), 10) as source,
    ):
        list(source)


def test_images_come_in_the_order_of_their_numbers(tmp_path):
    for i in (10, 9, 2, 1):
        cv2.imwrite(str(tmp_path / f"f{i}.png"), image(i))
    (tmp_path / "notes.txt").write_text("not an image")
    with open_source(str(tmp_path), 8) as source:
        assert isinstance(source, FolderSource)
        times, frames = zip(*source, strict=True)
    assert times == (0, 0.125, 0.25, 0.375)
    assert [frame[0, 0, 0] for frame in frames] == [1, 2, 9, 10]


def test_an_empty_folder_and_a_broken_image_are_named(tmp_path):
    with pytest.raises(CameraError, match="holds no images"):
        open_source(str(tmp_path), 8)
    (tmp_path / "f0001.png").write_bytes(b"broken")
    with pytest.raises(CameraError, match=r"f0001\.png"):
        list(open_source(str(tmp_path), 8))


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(CameraError, match=r"no video file or folder of images .*absent"):
        open_source(str(tmp_path / "absent.mp4"), 8)


def test_a_camera_runs_on_the_clock_until_it_is_unplugged(plug_in):
    camera = plug_in(FakeCamera(frames=6))
    looked_at = []
    with open_source("3", 5) as source:
        assert isinstance(source, CameraSource)
        with pytest.raises(CameraError, match="Camera 3 stopped"):
            looked_at.extend(source)
    # A frame comes each .1 s; of those, five a second are looked at.
    assert [seconds for seconds, _ in looked_at] == pytest.approx([0.1, 0.2, 0.4, 0.6])
    assert all(frame.shape == (48, 64, 3) for _, frame in looked_at)
    assert camera.released


def test_a_missing_camera_is_named(plug_in):
    camera = plug_in(FakeCamera(frames=0, opened=False))
    with pytest.raises(CameraError, match="Camera 7 cannot be opened"):
        open_source("7", 10)
    assert camera.released


def test_a_camera_that_opencv_does_not_find_is_one_error_and_no_noise(capfd):
    with pytest.raises(CameraError, match="Camera 98 cannot be opened"):
        open_source("98", 10)
    assert capfd.readouterr().err == ""
