"""What the page shows of a device: the light above all tells the truth."""

import numpy as np
import pytest
from pretend_device import Probe, reading_of

from fl_client.page.view import by_state
from shared_models.errors import LedgerError, StorageError


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
def test_the_light_says_whether_frames_are_looked_at(views, pretend, looking, scopes, paused, light):
    pretend.doing["looking"] = looking
    pretend.device.agree_to(scopes)
    if paused:
        pretend.consent.pause()
    assert views.live().light == light
    assert pretend.device.is_looking() is (light == "recording")


def test_a_reading_is_words_and_bars(views, pretend):
    pretend.read("fear", 0.7)
    reading = views.live().reading
    assert (reading.headline, reading.sure, reading.percent) == ("fear", "Likely", 70)
    assert [bar.name for bar in reading.bars][-1] == "fear"
    assert [bar.percent for bar in reading.bars] == [5, 5, 5, 5, 5, 5, 70]


@pytest.mark.parametrize(("share", "words"), [(0.95, "Very likely"), (0.5, "More likely than not"), (0.2, "Unclear")])
def test_how_sure_it_is_has_words(views, pretend, share, words):
    pretend.read("fear", share)
    assert words == views.live().reading.sure


def test_a_level_of_nothing_counts_nothing():
    shares = by_state(reading_of("learner-4x4", {"boredom:0": 0.5, "engagement:3": 0.3, "confusion:1": 0.2}))
    assert shares == pytest.approx({"boredom": 0, "engagement": 0.3, "confusion": 0.2 / 3, "frustration": 0})


def test_every_class_of_a_scheme_is_offered_once(views, pretend):
    pretend.ask()
    [(name, choices)] = views.live().probe.rows
    assert name == ""
    assert [choice.label for choice in choices] == list(pretend.prober.waiting.choices)


def test_a_scheme_with_levels_is_a_row_for_each_state(views, pretend, make_policy):
    pretend.prober.waiting = Probe("1", ["boredom:0", "boredom:1", "confusion:0"])
    rows = views.live().probe.rows
    assert [(name, [choice.word for choice in choices]) for name, choices in rows] == [
        ("boredom", ["not at all", "a little"]),
        ("confusion", ["not at all"]),
    ]
    assert rows[0][1][1].whole == "boredom: a little"


def test_a_new_session_has_nothing_to_show_and_no_error(views, pretend):
    live = views.live()
    assert live.reading is live.probe is live.hint is None
    assert all(share is None for lane in live.timeline.lanes for share in lane.shares)
    whole = views.whole()
    assert (whole.pictures, whole.sent.uploads, whole.sent.budget.left) == ([], [], "8.00")


def test_what_was_sent_is_told_newest_first_and_never_in_the_studys_favour(views, pretend, policy):
    pretend.sent.rounds = 2
    sent = views.whole().sent
    assert [upload.round for upload in sent.uploads] == [3, 1]
    assert {upload.size for upload in sent.uploads} == {"4.1"}
    assert float(sent.uploads[1].epsilon) >= policy.epsilon_after(1)
    assert float(sent.budget.spent) >= policy.epsilon_after(2)
    assert float(sent.budget.left) <= policy.epsilon - policy.epsilon_after(2)
    assert (sent.budget.rounds, sent.budget.rounds_cap) == (2, policy.lifetime_rounds)


def test_a_damaged_store_or_ledger_hides_no_switch(signed_in, pretend, keep):
    keep("fear")
    pretend.kept.problem = StorageError("The sequence 7 cannot be opened", why="its file is damaged")
    pretend.sent.problem = LedgerError("The ledger's chain does not hold")
    page = signed_in.get().text
    assert "The sequence 7 cannot be opened: its file is damaged." in page
    assert page.count("The ledger&#39;s chain does not hold.") == 2
    assert 'action="pause"' in page
    assert 'href="leaving"' in page


def test_a_reader_without_a_model_says_why(views, pretend):
    pretend.reader.state = "The weights are damaged."
    assert views.live().no_reading == "Nothing can be read yet: The weights are damaged."
    pretend.reader.state = "reading"
    assert views.live().no_reading == "Nobody to read at the moment."
    pretend.consent.pause()
    assert views.live().no_reading == "Nothing while the camera is not looked at."


def test_a_sequence_that_cannot_be_opened_is_counted_and_can_be_deleted(signed_in, pretend, keep, monkeypatch):
    keep("fear")
    monkeypatch.setattr(pretend.kept, "load_all", lambda: iter(()))
    page = signed_in.get().text
    assert "One sequence cannot be opened" in page
    assert 'href="deleting-all"' in page


def test_the_version_moves_with_what_is_kept_sent_and_agreed_to(views, pretend, keep):
    seen = [views.live().version]
    keep("fear")
    seen.append(views.live().version)
    pretend.sent.rounds = 1
    seen.append(views.live().version)
    pretend.consent.pause()
    seen.append(views.live().version)
    assert len(set(seen)) == 4
    assert views.live().version == seen[-1]


def test_without_a_reader_the_page_says_so(signed_in, pretend):
    object.__setattr__(pretend.device, "reader", None)
    page = signed_in.get().text
    assert "There is no live reading on this computer." in page
    object.__setattr__(pretend.device, "no_reader", "Live reading is off in this study.")
    assert "Live reading is off in this study." in signed_in.get().text
    assert "What the model read, from" not in page


def test_a_picture_is_the_middle_one_and_a_strip_is_all(signed_in, pretend, keep):
    cv2 = pytest.importorskip("cv2")
    keep("fear")
    one = pretend.kept.sequences[0]

    def seen(path):
        png = np.frombuffer(signed_in.get(path, params={"id": one.id}).content, np.uint8)
        return cv2.imdecode(png, cv2.IMREAD_GRAYSCALE)

    np.testing.assert_array_equal(seen("picture"), one.frames[8, 0])
    strip = seen("strip")
    assert strip.shape == (2 * 48, 8 * 48)
    np.testing.assert_array_equal(strip[48:, 48:96], one.frames[9, 0])
