import cv2
import numpy as np
import pytest

from fl_client.capture.sources import FolderSource, VideoSource, open_source
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


def test_a_video_that_is_cut_off_gives_what_it_has_and_then_says_so(tmp_path, video):
    path = tmp_path / "cut.avi"
    content = video.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    seen = []
    with (
        open_source(str(path), 25) as source,
        pytest.raises(CameraError, match=r"cut\.avi is damaged: only .* of its 50"),
    ):
        seen.extend(source)
    assert 10 < len(seen) < 40


def test_a_video_that_is_cut_off_in_its_header_is_one_error_and_no_noise(tmp_path, video, capfd):
    path = tmp_path / "stump.avi"
    path.write_bytes(video.read_bytes()[:5000])
    with pytest.raises(CameraError, match=r"stump\.avi cannot be read"):
        open_source(str(path), 25)
    assert capfd.readouterr() == ("", "")


def test_frames_that_cannot_be_decoded_are_left_out(tmp_path, video):
    content = bytearray(video.read_bytes())
    second = content.index(b"\xff\xd8", content.index(b"\xff\xd8") + 2)
    content[second : second + 300] = bytes(300)
    path = tmp_path / "scratched.avi"
    path.write_bytes(content)
    with open_source(str(path), 25) as source:
        times = [seconds for seconds, _ in source]
    assert 45 <= len(times) < 50
    assert times == sorted(set(times))


def test_a_recording_can_be_watched_again(video):
    with open_source(str(video), 8) as source:
        first = [seconds for seconds, _ in source]
        assert [seconds for seconds, _ in source] == first


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
