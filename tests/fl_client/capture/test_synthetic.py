import cv2
import numpy as np

from fl_client.capture.sources import SyntheticSource, open_source
from shared_models.data.faces import Face, HaarFinder, single_face

cv2.setNumThreads(1)


def test_a_rendered_person_stands_in_for_a_camera():
    with open_source("synthetic:3", 100) as source:
        assert isinstance(source, SyntheticSource)
        assert source.live
        times, frames = zip(*(pair for pair, _ in zip(source, range(5), strict=False)), strict=True)
    assert (np.diff(times) >= 1 / 100 - 1e-6).all()
    assert frames[0].shape == (480, 640, 3)
    assert isinstance(single_face(HaarFinder(), frames[-1]), Face)


def test_it_goes_on_after_it_was_closed_on_the_same_timeline():
    source = open_source("synthetic", 100)
    before = next(iter(source))[0]
    source.close()
    assert next(iter(source))[0] > before


def test_closing_ends_the_wait_for_the_next_frame():
    source = open_source("synthetic", 0.001)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []
