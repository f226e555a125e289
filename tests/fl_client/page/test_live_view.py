"""What the page shows of this moment: the light above all tells the truth."""

import pytest
from pretend_device import Probe, reading_of

from fl_client.page.states import by_state


@pytest.mark.parametrize(
    ("looking", "scopes", "paused", "light"),
    [
        (True, ["capture", "store"], False, "recording"),
        (False, ["capture", "store"], False, "idle"),
        (True, ["capture", "store"], True, "paused"),
        (True, ["train"], False, "off"),
        (True, ["capture"], False, "off"),
    ],
)
def test_the_light_says_whether_frames_are_looked_at(live, pretend, looking, scopes, paused, light):
    pretend.doing["looking"] = looking
    pretend.device.agree_to(scopes)
    if paused:
        pretend.consent.pause()
    assert live.now().light == light
    assert pretend.device.is_looking() is (light == "recording")


def test_a_reading_is_words_and_bars(live, pretend):
    pretend.read("fear", 0.7)
    reading = live.now().reading
    assert (reading.headline, reading.sure, reading.percent) == ("fear", "Likely", 70)
    assert [bar.name for bar in reading.bars][-1] == "fear"
    assert [bar.percent for bar in reading.bars] == [5, 5, 5, 5, 5, 5, 70]


@pytest.mark.parametrize(("share", "words"), [(0.95, "Very likely"), (0.5, "More likely than not"), (0.2, "Unclear")])
def test_how_sure_it_is_has_words(live, pretend, share, words):
    pretend.read("fear", share)
    assert words == live.now().reading.sure


def test_a_level_of_nothing_counts_nothing():
    shares = by_state(reading_of("learner-4x4", {"boredom:0": 0.5, "engagement:3": 0.3, "confusion:1": 0.2}))
    assert shares == pytest.approx({"boredom": 0, "engagement": 0.3, "confusion": 0.2 / 3, "frustration": 0})


def test_every_class_of_a_scheme_is_offered_once(live, pretend):
    pretend.ask()
    [(name, choices)] = live.now().probe.rows
    assert name == ""
    assert [choice.label for choice in choices] == list(pretend.prober.waiting.choices)


def test_a_scheme_with_levels_is_a_row_for_each_state(live, pretend, make_policy):
    pretend.prober.waiting = Probe("1", ["boredom:0", "boredom:1", "confusion:0"])
    rows = live.now().probe.rows
    assert [(name, [choice.word for choice in choices]) for name, choices in rows] == [
        ("boredom", ["not at all", "a little"]),
        ("confusion", ["not at all"]),
    ]
    assert rows[0][1][1].whole == "boredom: a little"


def test_a_reader_without_a_model_says_why(live, pretend):
    pretend.reader.state = "The weights are damaged."
    assert live.now().no_reading == "Nothing can be read yet: The weights are damaged."
    pretend.reader.state = "reading"
    assert live.now().no_reading == "Nobody to read at the moment."
    pretend.consent.pause()
    assert live.now().no_reading == "Nothing while the camera is not looked at."


def test_the_version_moves_with_what_is_kept_sent_and_agreed_to(live, pretend, keep):
    seen = [live.now().version]
    keep("fear")
    seen.append(live.now().version)
    pretend.sent.rounds = 1
    seen.append(live.now().version)
    pretend.consent.pause()
    seen.append(live.now().version)
    assert len(set(seen)) == 4
    assert live.now().version == seen[-1]


def test_without_a_reader_the_page_says_so(signed_in, pretend):
    object.__setattr__(pretend.device, "reader", None)
    page = signed_in.get().text
    assert "There is no live reading on this computer." in page
    object.__setattr__(pretend.device, "no_reader", "Live reading is off in this study.")
    assert "Live reading is off in this study." in signed_in.get().text
    assert "What the model read, from" not in page


def test_a_hint_is_for_who_is_at_work(live, timeline, pretend, clock):
    for minute in range(51):
        timeline.observe(clock.now + 60 * minute, True, None)
    clock.now += 50 * 60
    assert live.now().hint == "work"
    pretend.consent.pause()
    assert live.now().hint is None
