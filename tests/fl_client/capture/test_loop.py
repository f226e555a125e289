from datetime import UTC, datetime, timedelta
from threading import Event

import cv2
import numpy as np
import pytest

from fl_client.capture.loop import CaptureCounts, CaptureLoop
from fl_client.capture.sources import FrameSource, open_source
from fl_client.capture.window import Refusal
from fl_client.labels import LabelEvent, LabelScript
from fl_client.settings import QualitySettings
from shared_models.data.faces import Face, HaarFinder
from shared_models.data.labels import scheme_by_name
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import write_label_script, write_webcam
from shared_models.errors import CameraError, StorageError

cv2.setNumThreads(1)

FPS = 8
BOX = (40, 20, 80, 80)


class Frames(FrameSource):
    """Frames at 8 a second; the first pixel of each says how many faces the fake finder sees in it."""

    def __init__(self, faces, picture=None, live=False):
        self.faces, self.live, self.opened, self.closed = faces, live, 0, 0
        noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        self.picture = noise if picture is None else picture

    def __iter__(self):
        self.opened += 1
        for i, faces in enumerate(self.faces):
            frame = self.picture.copy()
            frame[0, 0] = faces
            yield i / FPS, frame

    def close(self):
        self.closed += 1


class Finder:
    def __init__(self, box=BOX):
        self.box, self.frames = box, 0

    def find(self, frame):
        self.frames += 1
        return [Face(self.box)] * int(frame[0, 0, 0])


class Sink:
    def __init__(self):
        self.kept = []

    def __len__(self):
        return len(self.kept)

    def add(self, frames, label_index, label, source, captured_at):
        assert captured_at.tzinfo is not None
        self.kept.append((frames, label_index, label, source))
        self.captured_at = captured_at


def events(*seconds, source="script"):
    return LabelScript(LabelEvent(s, "surprise", source) for s in seconds)


@pytest.fixture
def make():
    def make(source, labels, finder=None, **options):
        # The fake finder's faces are no pictures: every frame is searched, but where a test says otherwise.
        options = {"capacity": 100, "paused": lambda: False, "search_seconds": 0} | options
        return CaptureLoop(
            source,
            finder or Finder(),
            labels,
            options.pop("store", Sink()),
            scheme_by_name("basic-7"),
            **options,
        )

    return make


def test_a_label_turns_the_window_before_it_into_a_sequence(make):
    store = Sink()
    counts = make(Frames([1] * 40), events(3), store=store).run(Event())
    [(frames, index, label, source)] = store.kept
    assert frames.shape == (16, 1, 48, 48)
    assert frames.dtype == np.uint8
    assert (index, label, source) == (2, "surprise", "script")
    assert (counts.frames, counts.usable, counts.stored, counts.refused) == (40, 40, 1, {})


def test_without_a_label_nothing_is_stored(make):
    store = Sink()
    counts = make(Frames([1] * 40), events(), store=store).run(Event())
    assert store.kept == []
    assert (counts.frames, counts.stored) == (40, 0)


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        ([1] * 15 + [2] + [1] * 9, "several_faces"),
        ([1] * 10 + [0] * 6 + [1] * 9, "no_face"),
        ([1] * 10, "uncovered"),
    ],
)
def test_a_bad_window_stores_nothing_and_is_counted(make, faces, reason):
    store = Sink()
    counts = make(Frames(faces), events(2.5), store=store).run(Event())
    assert store.kept == []
    assert counts.stored == 0
    assert counts.refused == {reason: 1}


def test_labels_too_close_together_share_no_frame(make):
    counts = make(Frames([1] * 60), events(2, 3, 4, 5, 6)).run(Event())
    assert counts == CaptureCounts(60, searched=60, usable=60, stored=3, refused={"overlap": 2})


def test_a_full_store_takes_no_more(make):
    store = Sink()
    counts = make(Frames([1] * 60), events(2, 4, 6), capacity=2, store=store).run(Event())
    assert (len(store), counts.stored, counts.refused) == (2, 2, {"full": 1})


def test_a_label_at_the_very_end_of_a_recording_counts(make):
    assert make(Frames([1] * 40), events(5)).run(Event()).stored == 1


def test_a_probe_s_answer_is_about_the_ten_seconds_before_it_was_shown(make):
    faces, store = [1] * 40 + [2] * 24, Sink()
    before = datetime.now(UTC)
    counts = make(Frames(faces), events(7, source="probe"), store=store).run(Event())
    assert (counts.stored, counts.refused) == (1, {})
    # Frame 39, at 4.875 s, is the last with one face; the answer came at 7 s.
    assert store.captured_at - before == pytest.approx(timedelta(seconds=-(7 - 39 / 8)), abs=timedelta(seconds=5))
    assert make(Frames(faces), events(7)).run(Event()).refused == {"several_faces": 1}


def test_an_answer_that_comes_late_finds_what_it_is_about(make):
    class LateAnswer:
        def __init__(self):
            self.waiting, self.events = None, []

        def see(self, seconds, _):
            if seconds == 4:
                self.waiting = seconds
            if seconds == 30:
                self.waiting, self.events = None, [LabelEvent(4.0, "surprise", "probe")]

        def due(self, until):
            events, self.events = self.events, []
            return events

    def answered(**asked):
        labels = LateAnswer()
        options = {name: lambda: labels.waiting for name in asked}
        return make(Frames([1] * 32 + [0] * 300), labels, on_look=labels.see, **options).run(Event())

    assert answered(asked=True).stored == 1
    assert answered().refused == {"uncovered": 1}


def test_each_frame_that_is_not_used_is_counted_by_its_reason(make):
    counts = make(Frames([1, 0, 0, 2, 1]), events()).run(Event())
    assert (counts.usable, counts.unusable) == (2, {"no_face": 2, "several_faces": 1})
    black = np.zeros((120, 160, 3), np.uint8)
    loop = make(Frames([0] * 3, black), events())
    with pytest.raises(CameraError, match="of 3 frames, 3 were refused as too_dark"):
        loop.run(Event())


def test_everyone_who_wants_to_know_hears_of_each_frame(make):
    heard = []
    make(Frames([1, 2, 0]), events(), on_look=lambda *look: heard.append(look)).run(Event())
    assert [seconds for seconds, _ in heard] == [0, 1 / 8, 2 / 8]
    assert heard[0][1].shape == (48, 48)
    assert [seen for _, seen in heard[1:]] == [Refusal.SEVERAL_FACES, Refusal.NO_FACE]


def test_a_small_face_is_refused(make):
    loop = make(Frames([1] * 40), events(3), Finder((40, 20, 57, 57)))
    with pytest.raises(CameraError, match="small_face"):
        loop.run(Event())
    assert loop.counts.refused == {"small_face": 1}
    assert make(Frames([1] * 40), events(3), Finder((40, 20, 58, 58))).run(Event()).stored == 1


def test_a_blurred_face_is_refused(make):
    edges = np.zeros((120, 160, 3), np.uint8)
    edges[:, ::16] = edges[::16] = 200
    assert make(Frames([1] * 40, edges), events(3)).run(Event()).stored == 1
    blurred = cv2.GaussianBlur(edges, (0, 0), 6)
    lenient = QualitySettings(light=0)
    with pytest.raises(CameraError, match="blurred"):
        make(Frames([1] * 40, blurred), events(3), quality=lenient).run(Event())
    lenient = QualitySettings(light=0, sharpness=0)
    assert make(Frames([1] * 40, blurred), events(3), quality=lenient).run(Event()).stored == 1


def test_ten_thousand_frames_without_a_face_end_in_one_sentence_and_take_no_memory(make):
    loop, held = make(Frames([0] * 10_000), events(100, source="probe")), []
    loop._on_look = lambda *_: held.append(len(loop._window._looks))
    with pytest.raises(CameraError, match="of 10000 frames, 10000 were refused as no_face"):
        loop.run(Event())
    assert loop.counts.refused == {"no_face": 1}
    assert max(held) <= 12 * FPS + 1


def test_a_label_has_the_frame_at_hand_searched(make):
    finder = Finder()
    counts = make(Frames([1] * 40), events(3.0, 4.875), finder, search_seconds=10**6).run(Event())
    # The first frame, and those at 3 s and 4.875 s.
    assert (finder.frames, counts.searched, counts.stored) == (3, 3, 1)


def test_a_visitor_who_came_since_the_last_search_is_seen_when_a_label_comes(make):
    """The fake picture does not change, as if the visitor were too dim for the check between searches."""
    counts = make(Frames([1] * 30 + [2] * 10), events(4), search_seconds=10**6).run(Event())
    assert (counts.stored, counts.refused) == (0, {"several_faces": 1})


def test_a_label_at_the_very_end_has_the_last_frame_searched(make):
    finder = Finder()
    assert make(Frames([1] * 40), events(5), finder, search_seconds=10**6).run(Event()).stored == 1
    assert finder.frames == 2
    assert make(Frames([1] * 39 + [2]), events(5), search_seconds=10**6).run(Event()).refused == {"several_faces": 1}


def test_while_paused_no_frame_is_looked_at_and_the_past_is_forgotten(make):
    finder, asked = Finder(), iter(range(1000))
    counts = make(Frames([1] * 48), events(2.5, 4, 6), finder, paused=lambda: 16 <= next(asked) < 24).run(Event())
    assert finder.frames == counts.frames == 40
    assert (counts.stored, counts.refused) == (1, {"uncovered": 2})


def test_even_a_short_pause_forgets_what_was_seen_before_it(make):
    asked = iter(range(1000))
    counts = make(Frames([1] * 24), events(2.5), paused=lambda: next(asked) == 18).run(Event())
    assert counts.refused == {"uncovered": 1}


def test_a_pause_lets_go_of_a_live_source_and_takes_it_again(make):
    source, seen, stop = Frames([1] * 24, live=True), [], Event()
    paused = iter([False, False] + [False] * 10 + [True] + [True, False] + [False] * 100)
    loop = make(source, events(), paused=lambda: next(paused), on_look=lambda seconds, _: seen.append(seconds))
    stop.wait = lambda seconds: seen.append(loop.state) or source.closed == 1 or pytest.fail("the camera is still on")
    loop.run(stop)
    assert source.opened == 2
    assert seen == [i / FPS for i in range(11)] + ["paused"] + [i / FPS for i in range(24)]
    assert loop.state == "ended"


def test_a_pause_at_the_start_leaves_a_live_source_alone(make):
    source, stop = Frames([1], live=True), Event()
    loop = make(source, events(), paused=lambda: stop.set() or True)
    loop.run(stop)
    assert source.opened == 0


def test_after_a_pause_and_at_the_end_nothing_is_left_in_memory(make):
    kept = []
    asked = iter(range(1000))
    loop = make(
        Frames([1] * 40),
        events(),
        paused=lambda: next(asked) == 20,
        on_look=lambda seconds, seen: kept.append(seen) or (seconds == 21 / FPS and blank(kept[:20])),
    )

    def blank(crops):
        assert not any(crop.any() for crop in crops)

    loop.run(Event())
    assert len(kept) == 39
    blank(kept)
    assert not loop._window._looks


def test_it_stops_at_the_next_frame(make):
    stop, finder = Event(), Finder()
    finder.find = lambda frame: stop.set() or []
    counts = make(Frames([1] * 40), events(1), finder).run(stop)
    assert (counts.frames, counts.refused) == (1, {})


def test_a_camera_that_stops_leaves_what_was_counted_and_can_be_run_again(make):
    class Unplugged(Frames):
        def __iter__(self):
            yield from super().__iter__()
            if self.opened == 1:
                raise CameraError("Camera 0 stopped")

    loop = make(Unplugged([1] * 20, live=True), events(2))
    with pytest.raises(CameraError):
        loop.run(Event())
    assert (loop.counts.stored, loop.counts.frames) == (1, 20)
    loop.run(Event())
    assert (loop.counts.stored, loop.counts.frames) == (1, 40)


def test_a_full_disk_is_not_counted_as_stored(make):
    class FullSink(Sink):
        def add(self, *_):
            raise StorageError("The disk is full")

    loop = make(Frames([1] * 40), events(3), store=FullSink())
    with pytest.raises(StorageError):
        loop.run(Event())
    assert loop.counts.stored == 0


def test_from_a_rendered_webcam_to_sequences_with_the_real_face_finder(tmp_path, make):
    video, labels, store = tmp_path / "webcam.avi", tmp_path / "labels.csv", Sink()
    write_label_script(labels, write_webcam(video, person(3), ["happiness", "anger"], LAPTOP, seed=0))
    with open_source(str(video), FPS) as source:
        script = LabelScript.read(labels, scheme_by_name("basic-7"))
        counts = make(source, script, HaarFinder(), store=store, search_seconds=0.5).run(Event())
    assert counts.frames == 38
    assert counts.searched < 38
    assert counts.usable > 35
    assert [label for _, _, label, _ in store.kept] == ["happiness", "anger"]


def test_a_visitor_beside_a_rendered_student_is_in_no_window(tmp_path, make):
    """For three seconds somebody looks over the student's shoulder; the label is about those."""
    for name, number in (("student", 3), ("visitor", 5)):
        write_webcam(tmp_path / f"{name}.avi", person(number), ["neutral"] * 4, LAPTOP, seed=0)
    with (
        open_source(str(tmp_path / "student.avi"), FPS) as student,
        open_source(str(tmp_path / "visitor.avi"), FPS) as other,
    ):
        frames = [frame for _, frame in student]
        for i, (_, frame) in enumerate(other):
            if 24 <= i < 48:
                frames[i][60:460, :200] = frame[60:460, 220:420]

    class Film(Frames):
        def __iter__(self):
            yield from ((i / FPS, frame) for i, frame in enumerate(frames))

    store = Sink()
    labels = events(2.5, 5.0, 6.5, 8.5)
    counts = make(Film([]), labels, HaarFinder(), store=store, search_seconds=0.5).run(Event())
    assert counts.searched < len(frames)
    assert (counts.stored, counts.refused) == (2, {"several_faces": 2})
