import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from shared_models.data.faces import (
    Face,
    HaarFinder,
    Refusal,
    YuNetFinder,
    crop_face,
    crop_square,
    face_roll,
    moved,
    single_face,
)
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.expression import EXPRESSIONS, apex
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.render import render_frame
from shared_models.data.synthetic.scene import Pose
from shared_models.errors import SettingsError

cv2.setNumThreads(1)


@pytest.fixture(scope="module")
def haar() -> HaarFinder:
    return HaarFinder()


@pytest.fixture(scope="module")
def yunet() -> YuNetFinder:
    shared = Path(os.environ.get("ATTUNE_SHARED", Path(__file__).parents[4] / "shared"))
    model = shared / "data" / "yunet" / "yunet_n_320_320.onnx"
    if not model.is_file():
        pytest.skip("the YuNet model is not here; set ATTUNE_SHARED to the folder that holds data/yunet")
    return YuNetFinder(model, hashlib.sha256(model.read_bytes()).hexdigest())


def portrait(number: int, label: str = "neutral", roll: float = 0.0, x: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(number)
    someone = person(number)
    actions = apex(label, LAPTOP.display, someone.manner)
    pose = Pose(yaw=0.02, pitch=0.1, roll=roll, x=x)
    return render_frame(someone.identity, actions, pose, LAPTOP.scene(rng), rng)


def test_one_face_is_found_in_colour_and_in_gray(haar: HaarFinder) -> None:
    frame = portrait(1)
    for view in (frame, cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)):
        face = single_face(haar, view)
        assert isinstance(face, Face)
        x, y, width, height = face.box
        assert x < 320 < x + width
        assert y < 220 < y + height


def test_refusals_name_their_reason(haar: HaarFinder) -> None:
    two = np.hstack([portrait(1)[:, 160:480], portrait(2)[:, 160:480]])
    assert single_face(haar, two) is Refusal.SEVERAL_FACES
    assert single_face(haar, np.full((480, 640, 3), 90, np.uint8)) is Refusal.NO_FACE
    assert Refusal.SEVERAL_FACES == "several_faces"


def test_small_frames_are_searched_as_they_are(haar: HaarFinder) -> None:
    small = cv2.resize(portrait(1), (240, 180), interpolation=cv2.INTER_AREA)
    face = single_face(haar, small)
    assert isinstance(face, Face)
    assert face.box[0] + face.box[2] <= 240


def test_haar_and_yunet_cut_about_the_same_square(haar: HaarFinder, yunet: YuNetFinder) -> None:
    likeness, ratios = [], []
    for number, label in enumerate(EXPRESSIONS):
        frame = portrait(number, label)
        ours, theirs = single_face(haar, frame), single_face(yunet, frame)
        assert isinstance(ours, Face)
        assert isinstance(theirs, Face)
        ratios.append(crop_square(ours)[1] / crop_square(theirs)[1])
        pair = np.stack([crop_face(frame, ours).ravel(), crop_face(frame, theirs).ravel()])
        likeness.append(np.corrcoef(pair)[0, 1])
    assert 0.9 < np.median(ratios) < 1.15
    assert np.median(likeness) > 0.8


def test_landmarks_level_a_tilted_face() -> None:
    frame, turn = cv2.cvtColor(portrait(4), cv2.COLOR_BGR2GRAY), 0.3
    landmarks = np.float32([[285, 200], [355, 200], [320, 240], [295, 270], [345, 270]])
    spin = cv2.getRotationMatrix2D((320, 240), -np.degrees(turn), 1.0)
    tilted = cv2.warpAffine(frame, spin, (640, 480))
    # Landmarks name points of the plane, in which the pixel (0, 0) has its centre at (.5, .5).
    moved = Face((0, 0, 1, 1), (landmarks - 0.5) @ spin[:, :2].T + spin[:, 2] + 0.5)
    level = Face((0, 0, 1, 1), landmarks)
    assert crop_square(moved)[2] == pytest.approx(turn, abs=1e-3)
    pair = np.stack([crop_face(frame, level).ravel(), crop_face(tilted, moved).ravel()])
    assert np.corrcoef(pair)[0, 1] > 0.995


def test_the_eye_line_levels_a_face_found_by_haar(haar: HaarFinder) -> None:
    seen, level = 0, []
    for number in range(12):
        roll = 0.2 if number % 2 else -0.2
        found = single_face(haar, portrait(number, roll=roll))
        if isinstance(found, Face) and found.eyes is not None:
            seen += 1
            level.append(face_roll(found) - roll)
            assert crop_square(found)[2] == face_roll(found)
    assert seen >= 8
    assert np.median(np.abs(level)) < 0.05


def test_without_eyes_a_haar_face_is_taken_for_level(haar: HaarFinder) -> None:
    frame = portrait(1)
    x, y, width, height = haar.find(frame)[0].box
    frame[y + height // 5 : y + height // 2, x : x + width] = frame[y + height // 2, x + width // 4]
    assert all(face.eyes is None and face_roll(face) == 0 for face in haar.find(frame))


def test_a_moved_face_is_found_where_it_moved_to() -> None:
    points = np.float32([[285, 200], [355, 200], [320, 240], [295, 270], [345, 270]])
    before = Face((260, 160, 120, 140), points)
    motion = cv2.getRotationMatrix2D((320, 230), -np.degrees(0.1), 1.05)
    motion[:, 2] += (12, -5)
    after = moved(before, motion)
    (x, y), side, roll = crop_square(after)
    (x0, y0), side0, _ = crop_square(before)
    assert (x, y) == pytest.approx(motion @ (x0, y0, 1), abs=1.0)
    assert side == pytest.approx(1.05 * side0, rel=0.01)
    assert roll == pytest.approx(0.1, abs=1e-3)
    assert after.box == pytest.approx((269, 152, 126, 147), abs=2)


def test_a_crop_is_exactly_the_square_of_the_box() -> None:
    frame = np.zeros((480, 640), np.uint8)
    frame[100:204, 200:304] = 200
    crop = crop_face(frame, Face((202, 102, 100, 100)), size=52)
    assert crop.shape == (52, 52)
    assert crop.dtype == np.uint8
    assert crop.min() >= 195


def test_a_square_that_leaves_the_frame_repeats_its_edge() -> None:
    crop = crop_face(np.full((120, 160, 3), 70, np.uint8), Face((-20, 60, 90, 90)))
    assert crop.shape == (48, 48)
    assert (crop == 70).all()


def test_a_model_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "face.onnx"
    model.write_bytes(b"not the model")
    with pytest.raises(SettingsError, match="not the expected file"):
        YuNetFinder(model, "0" * 64)


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.onnx cannot be read"):
        YuNetFinder(tmp_path / "absent.onnx", "0" * 64)
