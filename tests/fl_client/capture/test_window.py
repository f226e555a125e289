import numpy as np
import pytest

from fl_client.capture.window import Refusal, WindowBuffer

FPS = 16


def crop(value):
    return np.full((48, 48), value, np.uint8)


def fill(window, start, stop, look=None, fps=FPS):
    """Frames in [start, stop): each crop's pixels tell which 16th of a second it is from."""
    for i in range(round(start * fps), round(stop * fps)):
        window.add(i / fps, crop(round(i * FPS / fps) % 256) if look is None else look)


@pytest.fixture
def window():
    return WindowBuffer()


def test_a_window_is_the_last_seconds_evenly_spaced(window):
    fill(window, 0, 4 + 1 / FPS)
    sequence = window.cut(4)
    assert sequence.shape == (16, 1, 48, 48)
    assert sequence.dtype == np.uint8
    assert sequence[:, 0, 0, 0].tolist() == list(range(34, 65, 2))


@pytest.mark.parametrize("fps", [5, 8, 30])
def test_other_rates_are_resampled_to_the_nearest_frames(window, fps):
    fill(window, 0, 3 + 1 / fps, fps=fps)
    sixteenths = window.cut(3)[:, 0, 0, 0].astype(int)
    assert np.abs(sixteenths - np.arange(18, 49, 2)).max() <= 0.5 * FPS / fps + 1
    assert (np.diff(sixteenths) >= 0).all()


def test_a_window_may_end_between_two_frames(window):
    fill(window, 0, 2.0)
    assert isinstance(window.cut(2.01), np.ndarray)


@pytest.mark.parametrize(("start", "stop", "end"), [(1, 3, 2.5), (0, 2, 2.5), (0, 0, 2), (0, 4, 9)])
def test_a_window_that_was_not_watched_throughout_is_refused(window, start, stop, end):
    fill(window, start, stop)
    assert window.cut(end) is Refusal.UNCOVERED


def test_a_gap_inside_is_refused(window):
    fill(window, 0, 1)
    fill(window, 1.75, 2.1)
    assert window.cut(2) is Refusal.UNCOVERED


def test_clearing_forgets(window):
    fill(window, 0, 2.1)
    window.clear()
    assert window.cut(2) is Refusal.UNCOVERED


@pytest.mark.parametrize("at", [0.125, 1, 1.9375])
def test_one_frame_with_several_faces_refuses_the_window(window, at):
    fill(window, 0, at)
    window.add(at, Refusal.SEVERAL_FACES)
    fill(window, at + 1 / FPS, 2)
    assert window.cut(2) is Refusal.SEVERAL_FACES
    fill(window, 2, at + 2)
    assert isinstance(window.cut(at + 2), np.ndarray)


@pytest.mark.parametrize("reason", [Refusal.NO_FACE, Refusal.SMALL_FACE, Refusal.BLURRED])
def test_up_to_a_quarter_of_frames_may_lack_a_face(window, reason):
    fill(window, 0, 1)
    fill(window, 1, 1.5, reason)
    fill(window, 1.5, 2)
    sequence = window.cut(1.9375)
    assert not set(sequence[:, 0, 0, 0].tolist()) & set(range(16, 24))


@pytest.mark.parametrize("reason", [Refusal.NO_FACE, Refusal.SMALL_FACE, Refusal.BLURRED])
def test_more_than_a_quarter_without_a_face_refuses_the_window(window, reason):
    fill(window, 0, 1)
    fill(window, 1, 1.5625, reason)
    fill(window, 1.5625, 2)
    assert window.cut(1.9375) is reason


def test_windows_never_overlap(window):
    fill(window, 0, 2.1)
    first = window.cut(2)
    fill(window, 2.125, 4.1)
    for end in (2, 2.1, 3.5, 3.99):
        assert window.cut(end) is Refusal.OVERLAP
    second = window.cut(4)
    assert not set(first[:, 0, 0, 0].tolist()) & set(second[:, 0, 0, 0].tolist())


def test_windows_two_seconds_apart_are_not_refused_for_rounding():
    window = WindowBuffer()
    for i in range(60 * FPS):
        window.add(i / FPS, crop(0))
        end = i / FPS
        if i > 2 * FPS and i % (2 * FPS) == 3:
            assert not isinstance(window.cut(end + 0.1 - 0.1), Refusal)


def test_a_refused_window_does_not_block_the_next(window):
    fill(window, 0, 1.5)
    assert window.cut(1.5) is Refusal.UNCOVERED
    fill(window, 1.5, 2.1)
    assert isinstance(window.cut(2), np.ndarray)


def test_memory_holds_one_window_only(window):
    fill(window, 0, 100)
    assert len(window._looks) <= 2 * FPS + 1


def test_what_was_given_out_is_forgotten(window):
    fill(window, 0, 2 + 2 / FPS)
    window.cut(2)
    assert [seconds for seconds, _ in window._looks] == [2 + 1 / FPS]
