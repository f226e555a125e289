import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from fl_client.capture.tracking import KnownFace
from fl_client.capture.watcher import FaceWatcher
from shared_models.data.faces import Face, HaarFinder, Refusal, YuNetFinder, crop_face, shrink, single_face
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.expression import perform
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.render import render_frame

cv2.setNumThreads(1)

FPS = 8


def film(number, frames=16, label="happiness"):
    """A rendered person before a laptop, (frames, 480, 640, 3)."""
    someone, rng = person(number), np.random.default_rng(number)
    actions, poses = perform(label, LAPTOP.display, someone.manner, frames, FPS, rng), LAPTOP.poses(frames, FPS, rng)
    scene = LAPTOP.scene(rng)
    return [render_frame(someone.identity, act, pose, scene, rng) for act, pose in zip(actions, poses, strict=True)]


def gray(frame):
    small, scale = shrink(frame)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), scale


class Counting:
    """A finder that counts its searches."""

    def __init__(self, finder):
        self.finder, self.searches = finder, 0

    def find(self, frame):
        self.searches += 1
        return self.finder.find(frame)


class Fixed:
    def __init__(self, faces):
        self.faces = faces

    def find(self, frame):
        return self.faces


@pytest.fixture(scope="module")
def haar():
    return HaarFinder()


@pytest.fixture(scope="module", params=["haar", "yunet"])
def finder(request, haar):
    if request.param == "haar":
        return haar
    shared = Path(os.environ.get("ATTUNE_SHARED", Path(__file__).parents[4] / "shared"))
    model = shared / "data" / "yunet" / "yunet_n_320_320.onnx"
    if not model.is_file():
        pytest.skip("the YuNet model is not here; set ATTUNE_SHARED to the folder that holds data/yunet")
    return YuNetFinder(model, hashlib.sha256(model.read_bytes()).hexdigest())


def test_a_followed_face_is_cut_out_like_a_found_one(finder):
    likeness, followed = [], 0
    for number in range(6):
        watcher = FaceWatcher(finder, 0.5)
        for i, frame in enumerate(film(number)):
            sighting = watcher.look(i / FPS, frame)
            found = single_face(finder, frame)
            if sighting.searched or not isinstance(found, Face):
                continue
            followed += 1
            pair = np.stack([crop_face(frame, sighting.face).ravel(), crop_face(frame, found).ravel()])
            likeness.append(np.corrcoef(pair)[0, 1])
    assert followed > 20
    assert np.median(likeness) > 0.94


def test_the_whole_frame_is_searched_at_least_every_half_second(haar):
    frame, finder = film(2, 1)[0], Counting(haar)
    watcher = FaceWatcher(finder, 0.5)
    searched = [watcher.look(i / FPS, frame).searched for i in range(16)]
    assert searched == [i % 4 == 0 for i in range(16)]
    assert finder.searches == 4


def test_every_frame_is_searched_where_that_is_wanted(haar):
    frame = film(2, 1)[0]
    asked, always = FaceWatcher(haar, 0.5), FaceWatcher(haar, 0)
    for i in range(3):
        assert asked.look(i / FPS, frame, search=True).searched
        assert always.look(i / FPS, frame).searched


@pytest.mark.parametrize("faces", [[], [Face((200, 100, 150, 150))] * 2])
def test_without_exactly_one_face_the_next_frame_is_searched_too(faces):
    frame, watcher = film(2, 1)[0], FaceWatcher(Fixed(faces), 0.5)
    sightings = [watcher.look(i / FPS, frame) for i in range(3)]
    assert all(sighting.searched for sighting in sightings)
    assert {sighting.face for sighting in sightings} == {Refusal.SEVERAL_FACES if faces else Refusal.NO_FACE}


def test_after_forgetting_and_after_a_jump_in_time_the_frame_is_searched(haar):
    frame, watcher = film(2, 1)[0], FaceWatcher(haar, 0.5)
    watcher.look(10, frame)
    assert not watcher.look(10.1, frame).searched
    watcher.forget()
    assert watcher.look(10.2, frame).searched
    assert watcher.look(5, frame).searched


@pytest.mark.parametrize("size", [40, 80, 160])
def test_whoever_comes_into_the_picture_is_noticed_in_that_frame(haar, size):
    rng, noticed = np.random.default_rng(size), 0
    for number in range(4):
        before, now = film(number, 2)
        (small, scale), face = gray(before), single_face(haar, before)
        known = KnownFace(small, scale, face)
        if known.follow(gray(now)[0]) is None:
            continue
        other, (x, y, width, height) = film(number + 10, 1)[0], single_face(haar, film(number + 10, 1)[0]).box
        visitor = cv2.resize(other[y : y + height, x : x + width], (size, size), interpolation=cv2.INTER_AREA)
        for _ in range(10):
            # At the student's left or right; a visitor wholly inside the student's own face would be no visitor.
            left = rng.choice([rng.integers(0, max(1, face.box[0] - size)), rng.integers(sum(face.box[::2]), 640 - 20)])
            top, shown = rng.integers(0, 480 - size), now.copy()
            shown[top : top + size, left : left + size] = visitor[:, : 640 - left]
            assert known.follow(gray(shown)[0]) is None
            noticed += 1
    assert noticed >= 20


def test_a_face_that_is_covered_or_gone_is_not_followed(haar):
    frame = film(2, 1)[0]
    (small, scale), face = gray(frame), single_face(haar, frame)
    known, (x, y, width, height) = KnownFace(small, scale, face), face.box
    covered = frame.copy()
    covered[y : y + height, x : x + width] = 90
    assert known.follow(small) is not None
    assert known.follow(gray(covered)[0]) is None
    assert known.follow(gray(frame[:, ::-1])[0]) is None
    assert known.follow(gray(cv2.resize(frame, (320, 180)))[0]) is None


def test_a_face_without_anything_to_hold_on_to_is_searched_again():
    blank = np.full((240, 320), 128, np.uint8)
    assert KnownFace(blank, 1.0, Face((100, 60, 90, 90))).follow(blank) is None
