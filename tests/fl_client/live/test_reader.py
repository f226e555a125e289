"""One clear face is read, on the window's own clock; nothing else is; and a newer model takes over unnoticed."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from fl_client.capture.window import Refusal
from fl_client.live import model as model_module
from fl_client.live import reader as module
from fl_client.live.reader import LiveReader
from fl_client.live.streams import WindowStreams
from shared_models.errors import ConsentError, ModelError

STEP = 0.125


def crop(number):
    return np.full((48, 48), number, np.uint8)


@pytest.fixture
def make():
    """`make(model, ...)`: a reader that is given each of these in turn, one a refresh."""

    def make(*models):
        waiting = list(models)
        reader = LiveReader(lambda: waiting.pop(0) if waiting else None)
        reader.refresh()
        return reader

    return make


@pytest.fixture
def model(counting_model):
    return counting_model()


def feed(reader, looks, step=STEP, start=0.0):
    """Shows these looks at an even pace; a number is a clear crop of that brightness."""
    for i, look in enumerate(looks):
        reader.see(start + i * step, look if isinstance(look, Refusal) else crop(look))


def test_a_clear_face_is_read_from_its_first_frame(make, model):
    reader = make(model)
    assert reader.reading() is None
    feed(reader, range(15))
    reading = reader.reading()
    assert (reading.label, reading.frames, reading.whole, reading.seconds) == ("neutral", 15, False, 14 * STEP)
    feed(reader, [15], start=15 * STEP)
    assert reader.reading().whole
    assert model.shown == list(range(16))
    assert reader.face == "clear"


def test_a_whole_reading_has_its_window(make, model):
    reader = make(model)
    feed(reader, range(15))
    assert reader.window() is None
    feed(reader, [15, 16, 17], start=15 * STEP)
    window = reader.window()
    assert (window.shape, window.dtype) == ((16, 1, 48, 48), np.uint8)
    assert list(window[:, 0, 0, 0]) == list(range(2, 18)) == model.shown[-16:]
    window.fill(0)
    assert reader.window().any()


@pytest.mark.parametrize("end", ["a second face", "a pause", "the terms"])
def test_frames_that_are_not_about_now_are_overwritten(model, monkeypatch, end):
    allowed = True

    def require_allowed():
        if not allowed:
            raise ConsentError("Live reading is off in this study")

    waiting = [model]
    reader = LiveReader(lambda: waiting.pop() if waiting else None, require_allowed)
    reader.refresh()
    feed(reader, range(1, 17))
    reader.refresh()
    assert reader.window() is not None
    if end == "a second face":
        feed(reader, [Refusal.SEVERAL_FACES], start=2)
    elif end == "a pause":
        now = module.time.monotonic()
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now + 2))
        assert reader.window() is None
    else:
        allowed = False
    reader.refresh()
    assert reader.window() is None
    assert not reader._window.any()


def test_without_a_model_nothing_is_read_and_nothing_fails(make, model):
    reader = make()
    feed(reader, range(3))
    assert (reader.reading(), reader.state) == (None, "starting")


def test_a_reason_why_there_is_no_model_is_kept():
    def missing():
        missing.asked += 1
        if missing.asked == 1:
            raise ModelError("There are no starter weights")

    missing.asked = 0
    reader = LiveReader(missing)
    for _ in range(2):
        reader.refresh()
        assert reader.state == "There are no starter weights."


def test_a_second_face_ends_the_reading_at_once(make, model):
    reader = make(model)
    feed(reader, [*range(20), Refusal.SEVERAL_FACES])
    assert (reader.reading(), reader.face, model.shown) == (None, "several_faces", [])
    feed(reader, [30], start=21 * STEP)
    assert reader.reading().frames == 1


def test_a_blink_of_the_camera_is_bridged_by_the_next_clear_frame(make, model):
    reader = make(model)
    feed(reader, [1, 2, Refusal.BLURRED, Refusal.NO_FACE])
    assert (reader.reading().frames, reader.face) == (2, "no_face")
    feed(reader, [5], start=4 * STEP)
    assert model.shown == [1, 2, 5, 5, 5]


def test_half_a_second_without_a_clear_face_starts_anew(make, model):
    reader = make(model)
    feed(reader, [*range(16), *[Refusal.NO_FACE] * 5])
    assert (reader.reading(), model.shown) == (None, [])
    feed(reader, [9], start=21 * STEP)
    assert model.shown == [9]


@pytest.mark.parametrize("jump", [100.0, -5.0], ids=["a pause", "another camera's clock"])
def test_a_jump_in_time_starts_anew(make, model, jump):
    reader = make(model)
    feed(reader, range(20))
    feed(reader, [7], start=20 * STEP + jump)
    assert model.shown == [7]


def test_a_faster_camera_is_read_at_the_window_s_own_pace(make, model):
    reader = make(model)
    feed(reader, range(90), step=1 / 30)
    assert len(model.shown) == 25
    assert np.diff(model.shown).max() <= 4


def test_a_slower_camera_s_frames_stand_for_more_steps(make, model):
    reader = make(model)
    feed(reader, range(4), step=2 * STEP)
    assert model.shown == [0, 1, 1, 2, 2, 3, 3]


def test_uneven_frames_are_one_step_each(make, model):
    reader = make(model)
    for i, late in enumerate([0, 0.05, -0.04, 0.03, -0.05, 0.0]):
        reader.see(i * STEP + late, crop(i))
    assert model.shown == list(range(6))


def test_a_reading_is_about_now(make, model, monkeypatch):
    reader = make(model)
    feed(reader, range(20))
    now = module.time.monotonic()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now + 5))
    assert reader.reading() is None


def test_a_newer_model_takes_over_once_it_has_seen_a_window(make, model, counting_model):
    newer = counting_model(1)
    reader = make(model, newer)
    labels = []
    for i in range(40):
        if i == 20:
            reader.refresh()
        feed(reader, [i], start=i * STEP)
        labels.append((reader.reading().label, reader.reading().frames))
    assert labels[20:36] == [("neutral", 16)] * 16
    assert labels[36:] == [("happiness", 16)] * 4
    assert newer.shown == list(range(20, 40))


def test_where_nobody_is_read_a_newer_model_takes_over_with_the_next_face(make, model, counting_model):
    reader = make(model, counting_model(1))
    feed(reader, [Refusal.NO_FACE] * 20)
    reader.refresh()
    feed(reader, range(2), start=20 * STEP)
    assert reader.reading().label == "happiness"


def test_models_that_arrive_while_frames_do_leave_no_gap(starter):
    stop = threading.Event()
    reader = LiveReader(lambda: WindowStreams(starter[1].step))
    reader.refresh()
    failures = []

    def arrive():
        try:
            while not stop.is_set():
                reader.refresh()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=arrive)
    thread.start()
    rng = np.random.default_rng(0)
    for i in range(200):
        reader.see(i * STEP, rng.integers(0, 256, (48, 48), dtype=np.uint8))
        assert reader.reading().seconds == i * STEP
        assert reader.reading().probabilities.sum() == pytest.approx(1, abs=1e-5)
    stop.set()
    thread.join()
    assert failures == []


def test_it_works_until_it_is_stopped(model):
    stop = threading.Event()
    reader = LiveReader(lambda: stop.set() or model)
    reader.run(stop)
    assert reader.state == "reading"


def test_where_the_study_does_not_allow_it_there_is_no_reader(make_laptop):
    laptop = make_laptop()
    laptop.enrolment.save(laptop.home)
    with pytest.raises(ConsentError, match="Live reading is off in this study") as refused:
        LiveReader.of_device(laptop.home, laptop.enrolment.policy)
    assert refused.value.exit_code == 21


def test_where_the_study_allows_it_no_more_the_reading_ends(reading_laptop, starter, monkeypatch):
    monkeypatch.setattr(model_module, "convert", lambda *_: starter[1].step)
    home, enrolment = reading_laptop.home, reading_laptop.enrolment
    reader = LiveReader.of_device(home, enrolment.policy)
    for allowed in (True, False, True):
        enrolment.model_copy(update={"live_reading": allowed}).save(home)
        reader.refresh()
        feed(reader, range(4))
        assert (reader.reading() is not None) == (reader.state == "reading") == allowed
        assert allowed or "Live reading is off in this study" in reader.state
