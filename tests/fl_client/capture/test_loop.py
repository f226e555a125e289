from dataclasses import asdict
from threading import Event

import cv2
import numpy as np
import pytest

from fl_client.capture.loop import CaptureLoop, Quality
from fl_client.capture.sources import FrameSource, open_source
from fl_client.labels import LabelEvent, LabelScript
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

    def __init__(self, faces, picture=None):
        self.faces = faces
        noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        self.picture = noise if picture is None else picture

    def __iter__(self):
        for i, faces in enumerate(self.faces):
            frame = self.picture.copy()
            frame[0, 0] = faces
            yield i / FPS, frame

    def close(self):
        pass


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


def events(*seconds):
    return LabelScript(LabelEvent(s, "surprise", "tap") for s in seconds)


@pytest.fixture
def make():
    def make(source, labels, finder=None, **options):
        options = {"capacity": 100, "stop": Event(), "paused": lambda: False} | options
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
    counts = make(Frames([1] * 40), events(3), store=store).run()
    [(frames, index, label, source)] = store.kept
    assert frames.shape == (16, 1, 48, 48)
    assert frames.dtype == np.uint8
    assert (index, label, source) == (2, "surprise", "tap")
    assert (counts.frames, counts.usable, counts.stored, counts.refused) == (40, 40, 1, {})


def test_without_a_label_nothing_is_stored(make):
    store = Sink()
    counts = make(Frames([1] * 40), events(), store=store).run()
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
    counts = make(Frames(faces), events(2.5), store=store).run()
    assert store.kept == []
    assert counts.stored == 0
    assert counts.refused == {reason: 1}


def test_labels_too_close_together_share_no_frame(make):
    counts = make(Frames([1] * 60), events(2, 3, 4, 5, 6)).run()
    assert asdict(counts) == {"frames": 60, "usable": 60, "stored": 3, "refused": {"overlap": 2}}


def test_a_full_store_takes_no_more(make):
    store = Sink()
    counts = make(Frames([1] * 60), events(2, 4, 6), capacity=2, store=store).run()
    assert (len(store), counts.stored, counts.refused) == (2, 2, {"full": 1})


def test_a_label_at_the_very_end_of_a_recording_counts(make):
    assert make(Frames([1] * 40), events(5)).run().stored == 1


def test_a_small_face_is_refused(make):
    counts = make(Frames([1] * 40), events(3), Finder((40, 20, 80, 59))).run()
    assert (counts.usable, counts.refused) == (0, {"small_face": 1})
    assert make(Frames([1] * 40), events(3), Finder((40, 20, 80, 60))).run().stored == 1


def test_a_blurred_face_is_refused(make):
    edges = np.zeros((120, 160, 3), np.uint8)
    edges[:, ::16] = edges[::16] = 200
    assert make(Frames([1] * 40, edges), events(3)).run().stored == 1
    blurred = cv2.GaussianBlur(edges, (0, 0), 6)
    assert make(Frames([1] * 40, blurred), events(3)).run().refused == {"blurred": 1}
    lenient = Quality(sharpness=0)
    assert make(Frames([1] * 40, blurred), events(3), quality=lenient).run().stored == 1


def test_while_paused_no_frame_is_looked_at_and_the_past_is_forgotten(make):
    finder, asked = Finder(), iter(range(1000))
    counts = make(Frames([1] * 48), events(2.5, 4, 6), finder, paused=lambda: 16 <= next(asked) < 24).run()
    assert finder.frames == counts.frames == 40
    assert (counts.stored, counts.refused) == (1, {"uncovered": 2})


def test_even_a_short_pause_forgets_what_was_seen_before_it(make):
    asked = iter(range(1000))
    counts = make(Frames([1] * 24), events(2.5), paused=lambda: next(asked) == 18).run()
    assert counts.refused == {"uncovered": 1}


def test_it_stops_at_the_next_frame(make):
    stop, finder = Event(), Finder()
    finder.find = lambda frame: stop.set() or []
    counts = make(Frames([1] * 40), events(1), finder, stop=stop).run()
    assert (counts.frames, counts.refused) == (1, {})


def test_a_camera_that_stops_leaves_what_was_counted(make):
    class Unplugged(Frames):
        def __iter__(self):
            yield from super().__iter__()
            raise CameraError("Camera 0 stopped")

    loop = make(Unplugged([1] * 20), events(2))
    with pytest.raises(CameraError):
        loop.run()
    assert loop.counts.stored == 1


def test_a_full_disk_is_not_counted_as_stored(make):
    class FullSink(Sink):
        def add(self, *_):
            raise StorageError("The disk is full")

    loop = make(Frames([1] * 40), events(3), store=FullSink())
    with pytest.raises(StorageError):
        loop.run()
    assert loop.counts.stored == 0


def test_from_a_rendered_webcam_to_sequences_with_the_real_face_finder(tmp_path, make):
    video, labels, store = tmp_path / "webcam.avi", tmp_path / "labels.csv", Sink()
    write_label_script(labels, write_webcam(video, person(3), ["happiness", "anger"], LAPTOP, seed=0))
    with open_source(str(video), FPS) as source:
        script = LabelScript.read(labels, scheme_by_name("basic-7"))
        counts = make(source, script, HaarFinder(), store=store).run()
    assert counts.frames == 38
    assert counts.usable > 35
    assert [label for _, _, label, _ in store.kept] == ["happiness", "anger"]
