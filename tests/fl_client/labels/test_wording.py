import pytest

from fl_client.labels.wording import by_state, label_words, question
from shared_models.data.labels import SCHEMES, scheme_by_name


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_every_class_of_every_scheme_has_its_own_words(scheme):
    words = [label_words(label) for label in scheme.classes]
    assert len(set(words)) == len(words)
    assert "ten seconds before" in question(scheme.classes)


def test_a_state_is_told_with_its_level():
    assert label_words("boredom:1") == "boredom: a little"
    assert label_words("happiness") == "happiness"


def test_the_grid_has_four_states_of_four_levels():
    grid = by_state(scheme_by_name("learner-4x4").classes)
    assert list(grid) == ["boredom", "engagement", "confusion", "frustration"]
    assert grid["confusion"] == [f"confusion:{level}" for level in range(4)]
