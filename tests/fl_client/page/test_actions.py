"""What each form of the page does, and what the page says of it."""

import re

import pytest

from fl_client.consent import State
from shared_models.errors import StorageError


def shown(html: str, id_: str) -> str:
    """The words of one part of the page."""
    part = re.search(rf'<(\w+)[^>]* id="{id_}".*?</\1>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", part[0]).split()) if part else ""


def follow(visitor, answer):
    """The page that the browser is sent to."""
    assert answer.status_code == 303
    return visitor.get(answer.headers["location"].partition("#")[0]).text


def test_pause_and_go_on(signed_in, pretend):
    page = follow(signed_in, signed_in.press("pause"))
    assert pretend.consent.current().state is State.PAUSED
    assert '<h1 id="now-heading">Paused</h1>' in page
    assert 'action="resume"' in page
    page = follow(signed_in, signed_in.press("resume"))
    assert pretend.consent.current().state is State.ACTIVE
    assert "Camera on" in page


def test_a_pause_hides_reading_and_question(signed_in, pretend):
    pretend.read("fear")
    pretend.ask()
    assert "for you just now?" in signed_in.get("live").text
    signed_in.press("pause")
    live = signed_in.get("live").text
    assert "for you just now?" not in live
    assert "Likely" not in live


def test_a_question_is_answered_once(signed_in, pretend):
    pretend.ask("p7")
    page = follow(signed_in, signed_in.press("answer", probe="p7", label="fear"))
    assert pretend.prober.heard == [("p7", "fear")]
    assert "Your answer is noted." in page
    again = signed_in.press("answer", probe="p7", label="anger")
    assert again.status_code == 409
    assert "This question was answered already" in again.text
    assert pretend.prober.heard == [("p7", "fear")]


def test_a_question_can_be_skipped(signed_in, pretend):
    pretend.ask("p7")
    assert "Skipped." in follow(signed_in, signed_in.press("skip", probe="p7"))
    assert pretend.prober.heard == [("p7", "skipped")]


@pytest.mark.parametrize("fields", [{}, {"probe": "p7"}, {"probe": "p7", "label": ["fear", "anger"]}])
def test_half_an_answer_is_none(signed_in, pretend, fields):
    pretend.ask("p7")
    assert signed_in.press("answer", **fields).status_code == 422
    assert pretend.prober.heard == []


def test_one_sequence_is_deleted_after_a_look_at_it(signed_in, pretend, keep):
    keep("fear", "anger", "disgust")
    doomed = pretend.kept.sequences[1].id
    assert f'href="deleting?id={doomed}"' in signed_in.get().text
    assert "anger" in signed_in.get("deleting", params={"id": doomed}).text
    assert len(pretend.kept) == 3
    page = follow(signed_in, signed_in.press("delete", id=doomed))
    assert [one.label for one in pretend.kept.load_all()] == ["fear", "disgust"]
    assert "Deleted for good." in page
    assert signed_in.press("delete", id=doomed).status_code == 409


def test_all_are_deleted_after_a_question(signed_in, pretend, keep):
    keep("fear", "anger")
    assert "All 2 sequences will be destroyed." in signed_in.get("deleting-all").text
    assert len(pretend.kept) == 2
    page = follow(signed_in, signed_in.press("delete-all"))
    assert len(pretend.kept) == 0
    assert "Nothing is kept on this computer." in page


def test_what_is_agreed_to_can_be_narrowed_and_widened(signed_in, pretend):
    assert "This study asks whether" in signed_in.get("agreement").text
    page = follow(signed_in, signed_in.press("agree", scope=["capture", "store"]))
    assert sorted(pretend.consent.current().scopes) == ["capture", "store"]
    assert "Your new answer counts from now on." in page
    signed_in.press("agree", scope=["capture", "store", "train", "audit"])
    assert len(pretend.consent.current().scopes) == 4


def test_without_the_camera_allowed_the_light_is_off(signed_in, pretend):
    page = follow(signed_in, signed_in.press("agree", scope=["train"]))
    assert '<h1 id="now-heading">Off</h1>' in page
    assert 'href="agreement">Decide what to allow' in page


def test_a_pause_outlasts_a_new_agreement(signed_in, pretend):
    signed_in.press("pause")
    signed_in.press("agree", scope=["capture", "store"])
    assert pretend.consent.current().state is State.PAUSED
    assert sorted(pretend.consent.current().scopes) == ["capture", "store"]


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_to_agree_to_nothing_changes_nothing(signed_in, pretend, scopes):
    before = pretend.consent.current()
    answer = signed_in.press("agree", scope=scopes)
    assert answer.status_code == 409
    assert pretend.consent.current() == before


def test_terms_that_were_never_shown_here_cannot_be_agreed_to(signed_in, pretend):
    """The study changed its text after this page began."""
    pretend.consent.inform("another text", pretend.device.enrolment.policy.hash)
    assert signed_in.press("agree", scope=["capture", "store"]).status_code == 409
    assert pretend.consent.current().state is State.INFORMED


def test_leaving_says_what_cannot_be_undone_and_asks(signed_in, pretend, keep):
    keep("fear")
    page = signed_in.get("leaving").text
    assert "What was sent before cannot be called back" in page
    assert "The budget that was spent is not given back" in page
    assert signed_in.press("withdraw").status_code == 409
    assert pretend.done == []
    left = signed_in.press("withdraw", understood="yes")
    assert left.status_code == 200
    assert "You have left the study" in left.text
    assert pretend.done == ["withdraw"]
    assert pretend.consent.current().state is State.WITHDRAWN


def test_turning_off_is_answered_before_the_program_ends(signed_in, pretend):
    answer = signed_in.press("turn-off")
    assert "Attune is off" in answer.text
    assert pretend.done == ["turn off"]


@pytest.mark.parametrize(("wish", "are_on"), [("off", False), ("on", True), ("later", True)])
def test_hints_can_be_switched(signed_in, hints, wish, are_on):
    signed_in.press("hints", wish=wish)
    assert hints.are_on is are_on
    assert signed_in.press("hints", wish="another").status_code == 422
    assert hints.are_on is are_on


def test_what_fails_is_a_sentence_and_a_way_back(signed_in, pretend, keep, monkeypatch):
    keep("fear")

    def full(ids):
        raise StorageError("index.sqlite cannot be written", why="the disk is full", fix="Free some space")

    monkeypatch.setattr(pretend.kept, "delete", full)
    answer = signed_in.press("delete", id=pretend.kept.sequences[0].id)
    assert answer.status_code == 409
    assert "index.sqlite cannot be written: the disk is full. Free some space." in answer.text
    assert 'href="./"' in answer.text


def test_only_known_notices_are_shown(signed_in):
    page = signed_in.get(params={"said": "now.<script>"}).text
    assert "<script>" not in page
    assert 'class="said"' not in page
