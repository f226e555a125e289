"""The strip can be read: every frame is there, in colours and without them, and bars are as long as their share."""

import cv2
import numpy as np
import pytest

from shared_models.evaluation.explanation import Explanation
from shared_models.evaluation.strip import strip

BAR = (140, 93, 31)  # BGR


def drawn(frames, weights, heat):
    explanation = Explanation(0, np.ones(1), np.asarray(weights, float), heat)
    return cv2.imdecode(np.frombuffer(strip(frames, explanation), np.uint8), cv2.IMREAD_COLOR)


def bars(picture, count):
    """The lengths of the bars of the first row, in pixels."""
    row = (picture[8 + 96 + 20] == BAR).all(axis=-1)
    return [int(row[8 + 104 * i : 8 + 104 * i + 96].sum()) for i in range(count)]


@pytest.mark.parametrize(("count", "size"), [(1, (138, 112)), (8, (138, 840)), (9, (268, 840)), (16, (268, 840))])
def test_every_frame_has_its_place(count, size):
    frames = np.full((count, 1, 48, 48), 90, np.uint8)
    picture = drawn(frames, np.full(count, 1 / count), None)
    assert picture.shape[:2] == size
    for i in range(count):
        assert (picture[8 + 130 * (i // 8) + 48, 8 + 104 * (i % 8) + 48] == 90).all()


def test_a_bar_is_as_long_as_the_share_against_the_largest():
    picture = drawn(np.zeros((3, 1, 48, 48), np.uint8), [0.6, 0.3, 0.1], None)
    np.testing.assert_allclose(bars(picture, 3), [96, 48, 17], atol=1)


@pytest.mark.parametrize("colour", [True, False], ids=["in colours", "in gray print"])
def test_what_counts_stands_out(colour):
    """Stripes keep their contrast where there is heat, fade where there is none, and a line parts the two."""
    frames = np.zeros((1, 1, 48, 48), np.uint8)
    frames[..., ::4], frames[..., 1::4] = 200, 200
    heat = np.zeros((1, 48, 48))
    heat[0, 24:] = 1
    picture = drawn(frames, [1], heat)[8:104, 8:104]
    shades = picture if colour else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    cold, hot = shades[4:40].astype(float), shades[56:92, 4:92].astype(float)
    assert hot.std() > 1.5 * cold.std()
    assert cold.mean() > hot.mean() + 50
    assert shades[44:52, 48].min() < 80
    assert shades[44:52, 48].max() == 255
