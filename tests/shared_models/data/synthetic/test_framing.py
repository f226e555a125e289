import cv2
import numpy as np
import pytest

from shared_models.data.faces import Face, HaarFinder, crop_square, single_face
from shared_models.data.synthetic.domains import LAPTOP, STUDIO, Domain
from shared_models.data.synthetic.expression import EXPRESSIONS, apex
from shared_models.data.synthetic.framing import haar_squares
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.render import render_frame

cv2.setNumThreads(1)


@pytest.mark.parametrize("domain", [STUDIO, LAPTOP], ids=lambda domain: domain.name)
def test_drawn_squares_have_the_mean_and_spread_of_the_haar_finder_s(domain: Domain) -> None:
    finder, found, drawn = HaarFinder(), [], []
    for number in range(60):
        someone, rng = person(number), np.random.default_rng(number)
        pose = domain.poses(1, 8, rng)[0]
        actions = apex(EXPRESSIONS[number % 7], domain.display, someone.manner)
        face = single_face(finder, render_frame(someone.identity, actions, pose, domain.scene(rng), rng))
        if not isinstance(face, Face):
            continue
        centre, side, _ = crop_square(face)
        x, y = centre - (pose.x * 640, pose.y * 480)
        found.append(np.array([x, y, side]) / (pose.scale * 480))
        drawn += [(square.x, square.y, square.side) for _ in range(10) for square in haar_squares([pose], rng)]
    assert np.mean(drawn, axis=0) == pytest.approx(np.mean(found, axis=0), abs=0.05)
    assert np.std(drawn, axis=0) == pytest.approx(np.std(found, axis=0), rel=0.4)
