import math

import cv2
import numpy as np
import pytest

from fl_client.capture.quality import head_turn, is_dark, refusal_of_crop, refusal_of_face
from fl_client.capture.window import Refusal
from fl_client.settings import QualitySettings
from shared_models.data.faces import Face

LIMITS = QualitySettings()
FRONTAL = np.float32([[100, 100], [160, 100], [130, 133], [105, 162], [155, 162]])
BOX = (70, 60, 120, 140)


def face(*moves):
    """A frontal face with landmarks moved: (index, dx, dy) each."""
    points = FRONTAL.copy()
    for index, dx, dy in moves:
        points[index] += (dx, dy)
    return Face(BOX, points)


def spun(found, degrees):
    turn = cv2.getRotationMatrix2D((130, 130), -degrees, 1)
    return Face(BOX, (found.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32))


def portrait_like(mean=120.0, spread=40.0):
    """A crop of smooth blobs, about as contrasty as a face."""
    noise = cv2.GaussianBlur(np.random.default_rng(4).normal(size=(48, 48)), (0, 0), 1.5)
    return np.clip(mean + spread * noise / noise.std(), 0, 255).astype(np.uint8)


def test_a_face_from_the_front_passes():
    assert refusal_of_face(face(), LIMITS) is None
    assert refusal_of_crop(portrait_like(), LIMITS) is None
    assert head_turn(FRONTAL) == pytest.approx((0, 0), abs=0.01)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_turned_head_is_refused_whichever_way_and_however_tilted(side):
    for tilt in (0, 20):
        assert refusal_of_face(spun(face((2, side * 15, 0)), tilt), LIMITS) is None
        assert refusal_of_face(spun(face((2, side * 25, 0)), tilt), LIMITS) is Refusal.TURNED
    assert head_turn(face((2, side * 15, 0)).landmarks)[0] == pytest.approx(side * 0.25, abs=0.01)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_nod_is_refused(side):
    assert refusal_of_face(face((2, 0, side * 8)), LIMITS) is None
    assert refusal_of_face(face((2, 0, side * 14)), LIMITS) is Refusal.TURNED


@pytest.mark.parametrize("side", [-1, 1])
def test_a_head_on_its_side_is_refused_with_five_points_and_with_eyes_alone(side):
    assert refusal_of_face(spun(face(), side * 25), LIMITS) is None
    assert refusal_of_face(spun(face(), side * 35), LIMITS) is Refusal.TURNED
    eyes = spun(face(), side * 35).landmarks[:2]
    assert refusal_of_face(Face(BOX, eyes=eyes), LIMITS) is Refusal.TURNED
    assert refusal_of_face(Face(BOX), LIMITS) is None


def test_points_that_are_no_face_are_refused():
    assert head_turn(np.zeros((5, 2), np.float32)) == (math.inf, math.inf)


@pytest.mark.parametrize(("side", "refusal"), [(56, Refusal.SMALL_FACE), (59, None)])
def test_a_small_face_is_refused(side, refusal):
    assert refusal_of_face(Face((10, 10, side, side)), LIMITS) is refusal


def test_light_is_judged_by_what_is_bright_in_a_face():
    assert refusal_of_crop(portrait_like(mean=18, spread=8), LIMITS) is Refusal.TOO_DARK
    dark_skin = portrait_like(mean=45, spread=25)
    assert refusal_of_crop(dark_skin, LIMITS) is None
    assert not is_dark(dark_skin, LIMITS)
    assert refusal_of_crop(portrait_like(mean=250, spread=40), LIMITS) is Refusal.TOO_BRIGHT


def test_a_blurred_face_is_refused_and_a_sharp_one_is_not():
    sharp = portrait_like()
    assert refusal_of_crop(cv2.GaussianBlur(sharp, (0, 0), 4), LIMITS) is Refusal.BLURRED
    assert refusal_of_crop(cv2.GaussianBlur(sharp, (0, 0), 4), QualitySettings(sharpness=0)) is None
