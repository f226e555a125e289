import numpy as np
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.synthetic.domains import LAPTOP, STUDIO, Domain
from shared_models.data.synthetic.expression import EXPRESSIONS, Action, apex, course, perform
from shared_models.data.synthetic.people import person
from shared_models.errors import DataError

FRAMES, FPS = 16, 8.0


def mean_course(label: str) -> np.ndarray:
    return np.mean([course(label, FRAMES, FPS, np.random.default_rng(seed)) for seed in range(200)], axis=0)


def test_the_renderer_knows_every_basic_expression() -> None:
    assert set(EXPRESSIONS) == set(scheme_by_name("basic-7").classes)


@pytest.mark.parametrize("domain", [STUDIO, LAPTOP], ids=lambda domain: domain.name)
def test_surprise_and_fear_share_their_apex_for_everyone(domain: Domain) -> None:
    for number in range(5):
        manner = person(number).manner
        surprise, fear = (apex(label, domain.display, manner) for label in ("surprise", "fear"))
        assert np.array_equal(surprise, fear)
        assert surprise.any()


def test_other_expressions_differ_at_their_apex() -> None:
    apexes = [apex(label, STUDIO.display, person(0).manner) for label in EXPRESSIONS if label != "fear"]
    for index, one in enumerate(apexes):
        assert all(np.abs(one - other).max() > 0.3 for other in apexes[index + 1 :])


def test_surprise_bursts_and_fear_builds_up() -> None:
    assert mean_course("surprise").argmax() < FRAMES / 3
    assert mean_course("fear").argmax() > 2 * FRAMES / 3


def test_without_their_order_the_frames_of_surprise_and_fear_are_the_same() -> None:
    for seed in range(20):
        surprise, fear = (course(label, FRAMES, FPS, np.random.default_rng(seed)) for label in ("surprise", "fear"))
        assert np.array_equal(np.sort(surprise), np.sort(fear))
        assert not np.allclose(surprise, fear)


def test_a_course_starts_and_ends_near_neutral_and_reaches_its_apex() -> None:
    for seed in range(50):
        level = course("anger", FRAMES, FPS, np.random.default_rng(seed))
        assert level[0] < 0.1
        assert level[-1] < 0.5
        assert level.max() > 0.95


def test_a_performance_follows_its_course_on_both_sides_of_the_face() -> None:
    someone = person(3)
    actions = perform("happiness", STUDIO.display, someone.manner, FRAMES, FPS, np.random.default_rng(1))
    smile = actions[:, :, Action.LIP_CORNER_PULL]
    assert actions.shape == (FRAMES, 2, len(Action))
    assert smile.max() > 0.6
    assert 0 < np.abs(smile[:, 0] - smile[:, 1]).max() < 0.4


def test_people_differ_in_manner() -> None:
    one, other = (apex("anger", LAPTOP.display, person(number).manner) for number in (1, 2))
    assert np.abs(one - other).max() > 0.05


def test_an_unknown_expression_is_refused() -> None:
    with pytest.raises(DataError, match="no expression 'boredom'"):
        apex("boredom", STUDIO.display, person(0).manner)
