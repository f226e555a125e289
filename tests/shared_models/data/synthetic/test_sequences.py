import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from shared_models.data.faces import Face, HaarFinder, crop_face, crop_square, single_face
from shared_models.data.synthetic.domains import LAPTOP, STUDIO, Domain
from shared_models.data.synthetic.expression import apex
from shared_models.data.synthetic.framing import Square
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.render import render_frame
from shared_models.data.synthetic.sequences import render_crop, render_sequences
from shared_models.errors import DataError

cv2.setNumThreads(1)


def test_shapes_labels_subjects_and_digests() -> None:
    data = render_sequences(2, seed=1, people=[4, 9])
    assert data.frames.shape == (14, 16, 1, 48, 48)
    assert data.labels.tolist() == [*range(7), *range(7)]
    assert data.subjects == ("synthetic-4",) * 7 + ("synthetic-9",) * 7
    assert data.digests[3] == hashlib.sha256(data.frames[3].tobytes()).hexdigest()[:16]
    assert len(set(data.digests)) == 14


def test_groups_are_what_can_be_seen_of_the_person() -> None:
    data = render_sequences(2, seed=1, people=[4, 1003], frames=2)
    for name in ("glasses", "skin"):
        assert data.groups[name] == tuple(person(n).identity.traits[name] for n in (4, 1003) for _ in range(7))
    everybody = [person(n).identity for n in range(40)]
    assert {identity.traits["glasses"] for identity in everybody if identity.glasses} == {"with"}
    lighter, darker = (
        [sum(identity.skin) for identity in everybody if identity.traits["skin"] == tone]
        for tone in ("lighter", "darker")
    )
    assert min(lighter) > max(darker)


def test_the_seed_decides_everything() -> None:
    first, again, other = (render_sequences(1, seed=seed, people=[2]) for seed in (1, 1, 2))
    assert np.array_equal(first.frames, again.frames)
    assert first.digests == again.digests
    assert not set(first.digests) & set(other.digests)


def test_sequences_move() -> None:
    data = render_sequences(1, seed=1, people=[3], frames=8)
    assert data.frames.shape[1] == 8
    smile = data.frames[data.labels == 1][0, :, 0].astype(int)
    assert np.abs(smile[4] - smile[0]).mean() > 2


def test_a_scheme_without_known_expressions_is_refused() -> None:
    with pytest.raises(DataError, match="learner-4x4"):
        render_sequences(1, "learner-4x4", seed=1, people=[1])


def test_a_larger_scheme_is_used_in_part() -> None:
    data = render_sequences(1, "basic-8", seed=1, people=[1])
    assert len(data) == 7
    assert data.targets.shape == (7, 8)


def test_nobody_cannot_be_rendered() -> None:
    with pytest.raises(DataError, match="nobody"):
        render_sequences(1, seed=1, people=[])


@pytest.mark.parametrize("domain", [STUDIO, LAPTOP], ids=lambda domain: domain.name)
def test_direct_crops_look_like_the_finder_s(domain: Domain) -> None:
    finder, likeness = HaarFinder(), []
    for number in range(8):
        someone, rng = person(number), np.random.default_rng(number)
        scene, pose = domain.scene(rng), domain.poses(1, 8, rng)[0]
        actions = apex("happiness", domain.display, someone.manner)
        frame = render_frame(someone.identity, actions, pose, scene, rng)
        face = single_face(finder, frame)
        assert isinstance(face, Face)
        centre, side, roll = crop_square(face)
        # The finder's crop is level as far as it sees the eyes: so is the one drawn beside it.
        level = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        x, y = level @ (centre - (pose.x * 640, pose.y * 480)) / (pose.scale * 480)
        levelled, square = replace(pose, roll=pose.roll - roll), Square(x, y, side / (pose.scale * 480))
        direct = render_crop(someone.identity, actions, levelled, scene, square, rng)
        likeness.append(np.corrcoef(crop_face(frame, face).ravel(), direct.ravel())[0, 1])
    assert min(likeness) > 0.9
