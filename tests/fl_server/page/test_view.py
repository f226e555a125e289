"""What the page says, and what it may never say: how many of fewer than ten devices, or which one."""

import re
from html import unescape

import pytest

from fl_server.certificates import issue_server_certificate
from fl_server.page import view as module
from fl_server.page.charts import _apart
from fl_server.page.view import read_view
from fl_server.refusals import Refusals
from fl_server.report.bands import BANDS
from fl_server.report.numbers import rounded_up
from shared_models.privacy.policy import Policy

PAGE = "/operator/"


@pytest.fixture
def words(signed_in):
    """The page's words, pictures' included, without tags."""
    return lambda: " ".join(unescape(re.sub(r"<[^>]+>", " ", signed_in.get(PAGE).text)).split())


def test_a_lively_federation(lively, words):
    text = words()
    for said in (
        "Now: collecting Round 15 is collecting: updates from fewer than 10 of 20 to 49 devices are in.",
        "Since 2027-01-15 08:00:00 UTC; until 08:02:00 at the latest",
        "Rounds 14 of 14 one try failed",
        "Average recall 0.540 best 0.540, round 14",
        "Budget spent 3.50 of 8.00",
        "happiness 0.34 +0.14",
        "fear 0.46 \N{MINUS SIGN}0.14",
        "8 failed < 10 < 10 no_answer, norm 0.580",
        "path a call that devices do not make 3",
        "no_answer fewer than 10",
    ):
        assert said in text


@pytest.mark.parametrize("state", ["waiting", "sampling", "collecting", "aggregating"])
def test_counts_of_devices_are_bands(folder, write, summary, words, state):
    """Counts that occur nowhere else on the page are not on it."""
    counts = {"online": 787, "asked": 797, "accepted": 757}
    write(summary(0, "start"), summary(1, **counts, rejected={"norm": 747}), state=state, **counts)
    text = words()
    assert not re.findall(r"7[4589]7", text)
    assert BANDS[-1] in text


def test_no_device_is_named(small_study, words, signed_in):
    small_study.round(0, 1, 2)
    small_study.round(0)
    html = signed_in.get(PAGE).text
    assert "Devices by what they have spent" in html
    assert not [device for device in small_study.devices if device in html]
    assert "fewer than 10" in words()
    assert "3 devices" not in words()


def test_the_budget_is_the_policys_and_follows_the_ledger(small_study, folder, words):
    small_study.round(0, 1)
    policy: Policy = small_study.paper.policy
    assert f"After round 1, {rounded_up(policy.epsilon_after(1))}" in words()
    small_study.round(0)
    assert f"After round 2, {rounded_up(policy.epsilon_after(2))}" in words()


def test_a_federation_that_has_not_begun(words):
    text = words()
    for said in (
        "Now: starting The server scores the model that it begins with.",
        "Average recall none yet",
        "No model has been scored yet.",
        "No round has closed yet.",
        "None since the server started.",
    ):
        assert said in text


def test_an_unusual_state_says_why(write, words):
    write(state="paused", why="The disk is full.")
    assert "Now: paused Round 15 is paused: The disk is full." in words()


def test_what_needs_the_operator_comes_first(folder, monkeypatch):
    assert read_view(folder).alarms == []
    issue_server_certificate(folder, "127.0.0.1", days=20)
    monkeypatch.setattr(module, "_LITTLE_DISK", 2**62)
    disk, certificate = read_view(folder).alarms
    assert disk.startswith("Only ")
    assert certificate == "The server's certificate expires in 19 days: run `fl-server renew`"
    issue_server_certificate(folder, "127.0.0.1", days=0)
    assert "has expired" in read_view(folder).alarms[1]


def test_many_rounds_are_folded_and_then_left_out(write, summary, folder):
    write(*(summary(number) for number in range(1, 251)))
    view = read_view(folder)
    assert [len(view.rows), len(view.earlier), view.left_out] == [12, 188, 50]
    assert [row.round for row in view.rows[:2]] == ["250", "249"]
    assert view.seconds.svg.count("<text") < 25


def test_an_emotion_that_appears_later_and_one_that_is_gone(write, summary, folder):
    write(summary(0, "start", f1={}), summary(1, f1={"old": 0.1}), summary(2, f1={"new": 0.5}))
    [emotion] = read_view(folder).emotions
    assert (emotion.name, emotion.f1, emotion.change) == ("new", "0.50", "")


def test_a_title_is_shown_as_it_was_written(folder, words, signed_in):
    folder.settings.write_text(folder.settings.read_text().replace("Emotion in", "<script>alert(1)</script>"))
    html = signed_in.get(PAGE).text
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)") == 2


def test_a_reader_of_any_kind_finds_their_way(lively, signed_in):
    html = signed_in.get(PAGE).text
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for labels in re.findall(r'aria-labelledby="([^"]+)"', html):
        assert set(labels.split()) <= set(ids)
    assert html.count("<h1") == 1
    assert html.count("<table") == html.count("<caption")
    assert all("scope=" in cell for cell in re.findall(r"<th\b[^>]*>", html))
    assert all("role=" in svg or "aria-hidden" in svg for svg in re.findall(r"<svg[^>]*>", html))
    assert html.count('aria-current="step"') == 1
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:|https?://(?!www\.w3\.org)", html)


def test_refusals_have_thousands_marked(folder, words):
    with Refusals(folder) as refusals:
        for _ in range(1200):
            refusals.count("rate")
    assert "1,200" in words()


def test_labels_never_lie_on_each_other():
    assert _apart([10.0, 10.0, 100.0]) == [10.0, 28.0, 100.0]
    assert _apart([100.0, 12.0, 10.0]) == [100.0, 28.0, 10.0]
