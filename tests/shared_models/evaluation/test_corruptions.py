import numpy as np
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.evaluation.corruptions import (
    CORRUPTIONS,
    Corruption,
    blur,
    corrupt,
    dropped_frames,
    low_light,
    low_resolution,
    occlusion,
)

SCHEME = scheme_by_name("basic-7")


def moving(count: int = 3, frames: int = 16) -> Sequences:
    """Sequences of random pixels; no two frames are alike."""
    pixels = np.random.default_rng(0).integers(40, 216, (count, frames, 1, 48, 48), dtype=np.uint8)
    targets = np.eye(len(SCHEME.classes), dtype=np.float32)[np.arange(count) % len(SCHEME.classes)]
    return Sequences(SCHEME, pixels, targets, ("p",) * count, ("",) * count)


def detail(frames: np.ndarray) -> float:
    """The spread of the differences between neighbouring pixels."""
    return float(np.diff(frames.astype(int), axis=-1).std())


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: f"{corruption.slice}: {corruption.severity}")
def test_a_sequence_is_spoiled_alike_each_time_and_wherever_it_stands(corruption: Corruption) -> None:
    data = moving()
    before = data.frames.copy()

    spoiled = corrupt(data, corruption)

    np.testing.assert_array_equal(corrupt(data, corruption).frames, spoiled.frames)
    np.testing.assert_array_equal(corrupt(data.take([2]), corruption).frames[0], spoiled.frames[2])
    np.testing.assert_array_equal(data.frames, before)
    assert (spoiled.frames != before).any()
    assert (spoiled.frames.dtype, spoiled.frames.shape) == (before.dtype, before.shape)
    assert spoiled.subjects == data.subjects


def test_names_say_one_thing_each() -> None:
    assert len({(corruption.slice, corruption.severity) for corruption in CORRUPTIONS}) == len(CORRUPTIONS)


def test_low_light_is_darker_and_noisier_in_each_frame_anew() -> None:
    flat = moving(1)
    flat.frames[:] = 120
    dim = corrupt(flat, low_light(gain=0.5, noise=4)).frames[0, :, 0].astype(float)

    assert dim.mean() == pytest.approx(60, abs=0.2)
    assert dim.std() == pytest.approx(4, rel=0.02)
    assert not np.array_equal(dim[0], dim[1])


def test_light_that_is_too_low_ends_at_black() -> None:
    dark = corrupt(moving(), low_light(gain=0.01, noise=2)).frames
    assert dark.min() == 0
    assert dark.max() < 30


def test_blur_takes_detail_away_and_leaves_the_brightness() -> None:
    data = moving()
    spread = [detail(corrupt(data, blur(sigma)).frames) for sigma in (1, 2)]
    assert detail(data.frames) > 3 * spread[0] > 3 * spread[1]
    assert corrupt(data, blur(2)).frames.mean() == pytest.approx(data.frames.mean(), abs=1)


def test_a_point_is_blurred_to_the_gaussian_of_that_width() -> None:
    point = moving(1, frames=1)
    point.frames[:] = 0
    point.frames[..., 24, 24] = 255
    row = corrupt(point, blur(1)).frames[0, 0, 0, 24].astype(float)
    assert row[25] / row[24] == pytest.approx(np.exp(-0.5), abs=0.02)


def test_what_is_covered_is_flat_and_the_rest_untouched() -> None:
    data = moving()
    covered = corrupt(data, occlusion("lower third", rows=(2 / 3, 1), columns=(0, 1), shade=190)).frames
    assert (covered[..., 32:, :] == 190).all()
    np.testing.assert_array_equal(covered[..., :32, :], data.frames[..., :32, :])

    covered = corrupt(data, occlusion("eyes", rows=(0.25, 0.5), columns=(0.25, 0.75), shade=25)).frames
    assert (covered == 25).all(axis=(0, 1, 2)).sum() == 12 * 24
    assert (covered != data.frames).sum() <= covered.shape[0] * covered.shape[1] * 12 * 24


def test_fewer_pixels_carry_no_more_than_their_own_detail() -> None:
    data = moving()
    coarse = corrupt(data, low_resolution(12)).frames
    np.testing.assert_allclose(coarse.mean(axis=(-2, -1)), data.frames.mean(axis=(-2, -1)), atol=2)
    assert detail(coarse) < detail(corrupt(data, low_resolution(24)).frames) < detail(data.frames)


def test_a_stalled_camera_shows_the_frame_before_once_more() -> None:
    data = moving(200)
    seen = corrupt(data, dropped_frames(0.25)).frames

    np.testing.assert_array_equal(seen[:, 0], data.frames[:, 0])
    lost = (seen != data.frames).any(axis=(2, 3, 4))
    assert 0.22 < lost[:, 1:].mean() < 0.28
    assert len({tuple(row) for row in lost.tolist()}) > 100, "each sequence loses frames of its own"
    for frames, spoiled, own in zip(data.frames, seen, lost, strict=True):
        for moment in np.flatnonzero(own):
            np.testing.assert_array_equal(spoiled[moment], spoiled[moment - 1])
        assert {frame.tobytes() for frame in spoiled} <= {frame.tobytes() for frame in frames}
