import cv2
import numpy as np
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES, Sequences
from shared_models.data.stills import MAX_GAIN, MAX_SHIFT, MAX_TURN, MAX_ZOOM, move_camera, to_sequences
from shared_models.errors import DataError

CENTRE = (CROP_SIZE - 1) / 2


def make_stills(count: int = 6) -> Sequences:
    rng = np.random.default_rng(0)
    scheme = scheme_by_name("basic-7")
    coarse = rng.integers(40, 200, (count, 6, 6), dtype=np.uint8)
    images = np.stack([cv2.resize(image, (CROP_SIZE, CROP_SIZE)) for image in coarse])
    return Sequences(
        scheme=scheme,
        frames=images[:, None, None],
        targets=np.eye(7, dtype=np.float32)[rng.integers(0, 7, count)],
        subjects=tuple(f"s{i}" for i in range(count)),
        digests=tuple(f"{i:016x}" for i in range(count)),
    )


def spot(x: float, y: float) -> np.ndarray:
    """A soft bright spot on black."""
    across, down = np.meshgrid(np.arange(CROP_SIZE), np.arange(CROP_SIZE))
    return (200 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 18)).astype(np.uint8)


def spot_places(film: np.ndarray) -> np.ndarray:
    """(T, 2): the spot's x and y in each frame."""
    weights = film / film.sum(axis=(1, 2), keepdims=True)
    axis = np.arange(CROP_SIZE)
    return np.stack([(weights * axis).sum(axis=(1, 2)), (weights * axis[:, None]).sum(axis=(1, 2))], axis=1)


def test_everything_but_the_frames_stays() -> None:
    stills = make_stills()
    moving = to_sequences(stills)
    assert moving.frames.shape == (6, SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE)
    assert moving.frames.dtype == np.uint8
    assert (moving.digests, moving.subjects) == (stills.digests, stills.subjects)
    np.testing.assert_array_equal(moving.targets, stills.targets)


def test_a_still_becomes_the_same_sequence_in_every_subset_and_order() -> None:
    stills = make_stills()
    order = [4, 1, 3]
    np.testing.assert_array_equal(to_sequences(stills.take(order)).frames, to_sequences(stills).frames[order])


def test_seed_and_digest_choose_the_motion() -> None:
    still = spot(CENTRE, CENTRE)
    film = move_camera(still, "a", seed=1)
    np.testing.assert_array_equal(film, move_camera(still, "a", seed=1))
    assert not np.array_equal(film, move_camera(still, "a", seed=2))
    assert not np.array_equal(film, move_camera(still, "b", seed=1))


def test_the_camera_moves_smoothly_and_stays_near() -> None:
    films = [move_camera(spot(CENTRE, CENTRE), str(digest)) for digest in range(60)]
    places = np.stack([spot_places(film) for film in films]) - CENTRE
    assert np.abs(places).max() <= MAX_SHIFT + 0.1
    assert np.abs(places).max() > 0.7 * MAX_SHIFT
    steps = np.linalg.norm(np.diff(places, axis=1), axis=2)
    assert steps.max() < 1.5
    assert steps.sum(axis=1).min() > 0.5, "every camera moves"


def test_turn_and_zoom_stay_within_their_limits() -> None:
    left, right = spot(CENTRE - 12, CENTRE), spot(CENTRE + 12, CENTRE)
    arms = np.stack(
        [spot_places(move_camera(right, str(d))) - spot_places(move_camera(left, str(d))) for d in range(60)]
    )
    turns = np.degrees(np.arctan2(arms[..., 1], arms[..., 0]))
    zooms = np.linalg.norm(arms, axis=2) / 24 - 1
    assert 0.7 * MAX_TURN < np.abs(turns).max() <= MAX_TURN + 0.2
    assert 0.7 * MAX_ZOOM < np.abs(zooms).max() <= MAX_ZOOM + 0.005


def test_brightness_drifts_a_little_and_borders_are_repeated() -> None:
    flat = np.full((CROP_SIZE, CROP_SIZE), 150, dtype=np.uint8)
    films = np.stack([move_camera(flat, str(digest)) for digest in range(60)]).astype(float)
    assert np.ptp(films, axis=(2, 3)).max() == 0, "no dark corners"
    assert 0.7 * MAX_GAIN < np.abs(films / 150 - 1).max() <= MAX_GAIN + 0.01


def test_sequences_are_refused() -> None:
    with pytest.raises(DataError, match=r"Only stills.*these have 16 frames each"):
        to_sequences(to_sequences(make_stills()))
