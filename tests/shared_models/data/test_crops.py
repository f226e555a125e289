import hashlib

import numpy as np
import pytest

from shared_models.data.crops import find_crops, pixel_digest, shrink_frames
from shared_models.data.faces import Face
from shared_models.data.sequences import CROP_SIZE

SIZE = (CROP_SIZE, CROP_SIZE)


class ListedFaces:
    """Finds the given number of faces in each frame, in turn."""

    def __init__(self, counts: list[int]) -> None:
        self._counts = iter(counts)

    def find(self, frame: np.ndarray) -> list[Face]:
        return [Face((20, 20, 60, 60))] * next(self._counts)


def frames_of(brightnesses: list[int]) -> list[np.ndarray]:
    return [np.full((100, 120, 3), brightness, dtype=np.uint8) for brightness in brightnesses]


def test_a_gap_takes_the_nearest_good_frame_s_crop() -> None:
    frames = frames_of([10, 20, 30, 40, 50, 60, 70, 80])
    crops = find_crops(frames, ListedFaces([0, 0, 1, 1, 2, 0, 1, 1]))
    assert crops is not None
    assert crops.shape == (8, *SIZE)
    assert crops.dtype == np.uint8
    assert [int(crop.mean()) for crop in crops] == [30, 30, 30, 40, 40, 70, 70, 80]


@pytest.mark.parametrize(("counts", "enough"), [([1, 1, 0, 2], True), ([1, 0, 0, 2], False), ([0], False), ([1], True)])
def test_half_of_the_frames_must_show_one_face(counts: list[int], enough: bool) -> None:
    crops = find_crops(frames_of([50] * len(counts)), ListedFaces(counts))
    assert (crops is not None) == enough


def test_face_crops_are_only_resized() -> None:
    ramp = np.linspace(0, 250, 96).astype(np.uint8)[None].repeat(96, axis=0)
    crops = shrink_frames([ramp, np.stack([ramp] * 3, axis=2)])
    assert crops.shape == (2, *SIZE)
    np.testing.assert_array_equal(crops[0], crops[1])
    np.testing.assert_allclose(crops[0, 0], np.linspace(1, 249, CROP_SIZE), atol=2)


def test_a_crop_of_the_right_size_keeps_its_pixels_and_digest_in_colour() -> None:
    gray = np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8)
    colour = np.stack([gray] * 3, axis=2)
    np.testing.assert_array_equal(shrink_frames([colour])[0], gray)
    assert pixel_digest([colour]) == pixel_digest([gray])


def test_digests_are_stable_and_tell_pixels_apart() -> None:
    frames = frames_of([10, 20])
    pixels = bytes([10]) * 12_000 + bytes([20]) * 12_000
    assert pixel_digest(frames) == hashlib.sha256(pixels).hexdigest()[:16]
    assert pixel_digest(frames) != pixel_digest(frames[::-1])
