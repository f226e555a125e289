"""The page says what the model looked at, when asked, while the camera is on; else a sentence says why not."""

from dataclasses import replace

import numpy as np
import pytest
from pretend_device import Explained

from fl_client.page.looked_at import LookedAt
from fl_client.page.words import Words
from shared_models.data.labels import scheme_by_name
from shared_models.errors import ModelError
from shared_models.evaluation.explanation import Explanation

CLASSES = scheme_by_name("basic-7").classes
TOP_LEFT = np.pad(np.ones((16, 4, 4)), ((0, 0), (0, 44), (0, 44)))


def explained(best="fear", share=0.7, weights=None, heat=TOP_LEFT):
    outputs = np.full(7, (1 - share) / 6)
    outputs[CLASSES.index(best)] = share
    weights = np.full(16, 1 / 16) if weights is None else np.asarray(weights)
    return Explained(CLASSES, Explanation(CLASSES.index(best), outputs, weights, heat), b"a picture")


@pytest.fixture
def looked_at(pretend):
    pretend.explainer.now = explained()
    return LookedAt(pretend.device, Words.load())


def test_it_is_words_and_a_picture(looked_at):
    view = looked_at.now()
    assert (view.label, view.sure, view.percent) == ("fear", "likely", 70)
    assert view.picture == "YSBwaWN0dXJl"
    assert view.where == "Places: what counted most is in the upper part of the picture, at the left."
    assert view.when == "Moments: its attention was spread over the two seconds."


def test_a_third_with_most_of_the_attention_is_named(looked_at, pretend):
    pretend.explainer.now = explained(weights=[0.2 / 15] * 15 + [0.8])
    assert looked_at.now().when == "Moments: 85 of 100 of its attention went to the last third of the two seconds."


@pytest.mark.parametrize(("heat", "words"), [(0 * TOP_LEFT, "no place"), (None, "no map of places")])
def test_where_no_place_can_be_shown_it_says_so(looked_at, pretend, signed_in, heat, words):
    pretend.explainer.now = explained(heat=heat)
    assert words in looked_at.now().where
    assert ("tinted" in signed_in.get("looked-at").text) is (heat is not None)


def test_nothing_is_worked_out_while_the_camera_is_not_looked_at(looked_at, pretend):
    pretend.doing["looking"] = False
    assert "while the camera is not looked at" in looked_at.now()
    pretend.doing["looking"] = True
    pretend.device.agree_to(["capture"])
    assert "while the camera is not looked at" in looked_at.now()
    pretend.device.agree_to(["capture", "store"])
    pretend.consent.pause()
    assert "while the camera is not looked at" in looked_at.now()
    assert pretend.explainer.asked == 0


def test_why_there_is_nothing_is_a_sentence(looked_at, pretend):
    pretend.explainer.now = None
    assert "two seconds of one clear face" in looked_at.now()
    pretend.explainer.problem = ModelError("There are no starter weights")
    assert looked_at.now() == "There are no starter weights."
    pretend.reader.state = "starting"
    assert looked_at.now() == "Nothing can be read yet: starting."
    for why, said in (("", "There is nothing to show"), ("Live reading is off in this study.", "Live reading is off")):
        without = replace(pretend.device, explainer=None, no_reader=why)
        assert said in LookedAt(without, Words.load()).now()


def test_the_page_holds_the_picture_and_no_cache_does(signed_in, looked_at, pretend):
    answer = signed_in.get("looked-at")
    assert answer.headers["cache-control"] == "no-store"
    assert (
        '<img class="looked" src="data:image/png;base64,YSBwaWN0dXJl" alt="Sixteen pictures of your face' in answer.text
    )
    assert "fear, likely (70 of 100)" in answer.text
    assert pretend.explainer.asked == 1
    pretend.consent.pause()
    assert "data:image" not in signed_in.get("looked-at").text


def test_the_link_is_where_something_is_read(signed_in, pretend):
    assert 'href="looked-at"' in signed_in.get().text
    object.__setattr__(pretend.device, "reader", None)
    assert 'href="looked-at"' not in signed_in.get().text
