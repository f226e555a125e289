import numpy as np
import pytest

from fl_client.capture.window import Look, Refusal, Window, WindowBuffer

FPS = 16


def crop(value):
    return np.full((48, 48), value, np.uint8)


def fill(window, start, stop, seen=None, fps=FPS, searched=True, asked=()):
    """Frames in [start, stop): each crop's pixels tell which 16th of a second it is from."""
    for i in range(round(start * fps), round(stop * fps)):
        look = Look(i / fps, crop(round(i * FPS / fps) % 256) if seen is None else seen, searched)
        window.add(look, asked)


def sixteenths(cut):
    """From which 16th of a second each frame of a window is."""
    return cut.frames[:, 0, 0, 0].astype(int).tolist()


@pytest.fixture
def window():
    return WindowBuffer()


def test_a_window_is_the_last_seconds_evenly_spaced(window):
    fill(window, 0, 4 + 1 / FPS)
    cut = window.cut(4)
    assert cut.end == 4
    assert cut.frames.shape == (16, 1, 48, 48)
    assert cut.frames.dtype == np.uint8
    assert sixteenths(cut) == list(range(34, 65, 2))


@pytest.mark.parametrize("fps", [5, 8, 30])
def test_other_rates_are_resampled_to_the_nearest_frames(window, fps):
    fill(window, 0, 3 + 1 / fps, fps=fps)
    found = np.array(sixteenths(window.cut(3)))
    assert np.abs(found - np.arange(18, 49, 2)).max() <= 0.5 * FPS / fps + 1
    assert (np.diff(found) >= 0).all()


def test_a_window_may_end_between_two_frames(window):
    fill(window, 0, 2.0)
    assert isinstance(window.cut(2.01), Window)


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


def test_a_second_face_before_a_pause_is_not_forgotten_with_the_frames(window):
    window.add(Look(0.1, Refusal.SEVERAL_FACES))
    window.clear()
    fill(window, 0.125, 2.2)
    assert window.cut(2.05) is Refusal.UNCOVERED
    assert isinstance(window.cut(2.1), Window)


@pytest.mark.parametrize("at", [0.125, 1, 1.9375])
def test_one_frame_with_several_faces_refuses_the_window(window, at):
    fill(window, 0, at)
    window.add(Look(at, Refusal.SEVERAL_FACES))
    fill(window, at + 1 / FPS, 2)
    assert window.cut(2) is Refusal.SEVERAL_FACES
    fill(window, 2, at + 2)
    assert isinstance(window.cut(at + 2), Window)


@pytest.mark.parametrize("reason", [Refusal.NO_FACE, Refusal.SMALL_FACE, Refusal.BLURRED])
def test_up_to_a_quarter_of_frames_may_lack_a_face(window, reason):
    fill(window, 0, 1)
    fill(window, 1, 1.5, reason)
    fill(window, 1.5, 2)
    assert not set(sixteenths(window.cut(1.9375))) & set(range(16, 24))


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
    assert not set(sixteenths(first)) & set(sixteenths(second))


def test_windows_two_seconds_apart_are_not_refused_for_rounding():
    window = WindowBuffer()
    for i in range(60 * FPS):
        window.add(Look(i / FPS, crop(0)))
        end = i / FPS
        if i > 2 * FPS and i % (2 * FPS) == 3:
            assert not isinstance(window.cut(end + 0.1 - 0.1), Refusal)


def test_a_refused_window_does_not_block_the_next(window):
    fill(window, 0, 1.5)
    assert window.cut(1.5) is Refusal.UNCOVERED
    fill(window, 1.5, 2.1)
    assert isinstance(window.cut(2), Window)


def test_memory_holds_ten_seconds_and_one_window(window):
    fill(window, 0, 100)
    assert len(window._looks) <= 12 * FPS + 1


def test_what_was_given_out_is_forgotten(window):
    fill(window, 0, 2 + 2 / FPS)
    window.cut(2)
    assert [look.seconds for look in window._looks] == [2 + 1 / FPS]


def test_the_latest_clear_window_of_the_last_seconds_is_taken(window):
    fill(window, 0, 6)
    fill(window, 6, 8, Refusal.NO_FACE)
    fill(window, 8, 9)
    assert window.cut(8.9375) is Refusal.NO_FACE
    cut = window.cut(8.9375, reach=10)
    # Up to a quarter of the frames may lack a face.
    assert cut.end == pytest.approx(6.4375)
    assert sixteenths(cut)[-1] == 95


def test_a_window_that_ends_longer_ago_is_not_taken(window):
    fill(window, 0, 2)
    fill(window, 2, 14, Refusal.NO_FACE)
    assert window.cut(13.9, reach=10) is Refusal.NO_FACE


def test_with_a_second_face_the_window_before_it_is_taken_and_none_around_it(window):
    fill(window, 0, 4)
    window.add(Look(4, Refusal.SEVERAL_FACES))
    fill(window, 4 + 1 / FPS, 5)
    assert window.cut(5) is Refusal.SEVERAL_FACES
    assert window.cut(5, reach=10).end == 4 - 1 / FPS


def test_a_question_that_waits_keeps_what_it_is_about(window):
    fill(window, 0, 8)
    fill(window, 8, 60, Refusal.NO_FACE, asked=[8])
    assert len(window._looks) == 60 * FPS
    assert window.cut(8, reach=10).end == pytest.approx(8.4375, abs=0.5)
    fill(window, 60, 60.5, Refusal.NO_FACE)
    assert len(window._looks) <= 12 * FPS + 2


def test_frames_that_were_not_searched_count_once_a_search_has_seen_one_face(window):
    fill(window, 0, 1.5)
    fill(window, 1.5, 2.5, searched=False)
    assert window.cut(2.4) is Refusal.UNCOVERED
    window.add(Look(2.5, crop(40)))
    assert isinstance(window.cut(2.4), Window)


def test_a_search_that_finds_a_second_face_takes_back_the_frames_before_it(window):
    fill(window, 0, 2)
    fill(window, 2, 2.5, searched=False)
    window.add(Look(2.5, Refusal.SEVERAL_FACES))
    assert window.cut(2.2) is Refusal.SEVERAL_FACES
    assert isinstance(window.cut(1.9375), Window)


def test_a_second_look_at_the_same_frame_replaces_the_first(window):
    fill(window, 0, 2)
    window.add(Look(2 - 1 / FPS, Refusal.SEVERAL_FACES))
    assert window.cut(1.9375) is Refusal.SEVERAL_FACES


def test_what_is_forgotten_is_overwritten(window):
    old, given, doubted, present = (crop(200) for _ in range(4))
    window.add(Look(0, old))
    fill(window, 13, 15)
    window.add(Look(15, given))
    kept = window.cut(15)
    window.add(Look(15.1, doubted, searched=False))
    window.add(Look(15.2, Refusal.SEVERAL_FACES))
    window.add(Look(15.3, present))
    assert not old.any()
    assert not given.any()
    assert not doubted.any()
    assert kept.frames[-1].all()
    assert present.all()
    window.clear()
    assert not present.any()
