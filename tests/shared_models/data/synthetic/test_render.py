import cv2
import numpy as np
import pytest

from shared_models.data.faces import Face, HaarFinder, single_face
from shared_models.data.synthetic.domains import LAPTOP, STUDIO, Domain
from shared_models.data.synthetic.expression import EXPRESSIONS, apex
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.render import render_frame

cv2.setNumThreads(1)


def frame_of(number: int, label: str, domain: Domain) -> np.ndarray:
    rng = np.random.default_rng((number, EXPRESSIONS.index(label)))
    someone, scene = person(number), domain.scene(rng)
    pose = domain.poses(1, 8, rng)[0]
    return render_frame(someone.identity, apex(label, domain.display, someone.manner), pose, scene, rng)


def test_the_same_arguments_give_the_same_frame() -> None:
    first, second = frame_of(5, "anger", LAPTOP), frame_of(5, "anger", LAPTOP)
    assert first.shape == (480, 640, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)


def test_identities_look_different() -> None:
    rng = np.random.default_rng(0)
    scene, pose = STUDIO.scene(rng), STUDIO.poses(1, 8, rng)[0]
    still = np.zeros_like(apex("neutral", STUDIO.display, person(0).manner))
    frames = [
        render_frame(person(number).identity, still, pose, scene, np.random.default_rng(0)) for number in range(6)
    ]
    for index, one in enumerate(frames):
        assert all(cv2.absdiff(one, other).mean() > 1.5 for other in frames[index + 1 :])
    assert person(7) is person(7)
    assert person(7).subject == "synthetic-7"


@pytest.mark.parametrize(("domain", "least"), [(STUDIO, 0.95), (LAPTOP, 0.9)], ids=["studio", "laptop"])
def test_the_haar_finder_finds_every_expression(domain: Domain, least: float) -> None:
    finder = HaarFinder()
    frames = [frame_of(number, label, domain) for number in range(10) for label in EXPRESSIONS]
    found = [isinstance(single_face(finder, frame), Face) for frame in frames]
    assert np.mean(found) >= least


def test_the_laptop_is_darker_and_noisier_than_the_studio() -> None:
    def grain(frame: np.ndarray) -> float:
        return float(cv2.Laplacian(frame[:60, :60], cv2.CV_32F).std())

    studio, laptop = ([frame_of(number, "neutral", domain) for number in range(8)] for domain in (STUDIO, LAPTOP))
    assert np.mean(studio) > np.mean(laptop) + 5
    assert np.mean([grain(frame) for frame in laptop]) > 2 * np.mean([grain(frame) for frame in studio])
