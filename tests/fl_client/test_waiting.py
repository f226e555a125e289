"""A running device under terms that nobody agreed to: it waits, says so, and goes on once it may."""

import json

import pytest

from fl_client import clerk, waiting
from fl_client.consent import ConsentBook
from fl_client.enrolment import accept, read_offer
from fl_client.home import load_enrolment
from fl_client.waiting import WAITS, asks_anew, wait_for_consent
from fl_server.certificates import load_signing_key
from fl_server.enrolment.terms import describe
from fl_server.settings import load_settings


@pytest.fixture
def joined(port, laptop):
    """A device of the study whose port this is, which has read the terms."""
    with port.listening():
        laptop.enrolment = accept(read_offer(port.invite()), laptop.identity)
    laptop.enrolment.save(laptop.home)
    laptop.consent.inform(laptop.enrolment.text_hash, laptop.enrolment.policy.hash)
    return laptop


@pytest.fixture
def wait(joined, monkeypatch, make_looks):
    """`wait(seconds, {second: what happens})`: what came of it, and what was said."""

    def wait(count, at=None):
        looks, said = make_looks(count, at), []
        monkeypatch.setattr(waiting, "steady", looks)
        monkeypatch.setattr(clerk, "steady", looks)
        return wait_for_consent(joined.home, joined.identity, looks, said.append), said

    return wait


def another_text(port, text):
    settings = load_settings(port.folder.settings)
    new = settings.model_copy(update={"study": settings.study.model_copy(update={"consent_text": text})})
    port.terms = describe(new, new.privacy_policy(), load_signing_key(port.folder))


def agree(joined, *scopes):
    terms, book = load_enrolment(joined.home), ConsentBook(joined.home.root)
    book.inform(terms.text_hash, terms.policy.hash)
    book.grant(scopes or ["capture"], terms.text_hash, terms.policy.hash)


def test_terms_that_are_agreed_to_are_not_waited_for(joined, wait):
    agree(joined)
    assert wait(3) == (joined.enrolment, [])
    joined.consent.pause()
    assert wait(3) == (joined.enrolment, []), "a pause is no question of the terms"


def test_it_waits_until_its_owner_agrees_and_says_so_once(joined, wait):
    seen = []
    enrolment, said = wait(
        9, {3: lambda: seen.append(json.loads(joined.home.status.read_bytes())), 5: lambda: agree(joined)}
    )
    assert enrolment == joined.enrolment
    assert (seen[0]["node"], seen[0]["capture"]) == (WAITS, "off")
    [sentence] = said
    assert "fl-client consent" in sentence
    assert "the camera is closed and nothing is sent" in sentence


def test_without_consent_to_capture_it_does_not_begin_with_the_camera(joined, wait):
    agree(joined, "train")
    assert wait(3)[0] is None


def test_terms_that_change_while_it_waits_are_the_ones_that_must_be_agreed_to(port, joined, wait):
    another_text(port, "More.")
    with port.listening():
        enrolment, _ = wait(9, {2: lambda: agree(joined)})
    assert enrolment is not None
    assert enrolment.consent_text == load_enrolment(joined.home).consent_text == "More."


def test_what_was_agreed_to_before_the_change_does_not_count(port, joined, wait):
    agree(joined)
    another_text(port, "More.")
    ConsentBook(joined.home.root).lapse()
    old = joined.enrolment.text_hash, joined.enrolment.policy.hash
    with port.listening():
        enrolment, _ = wait(5, {2: lambda: (joined.consent.inform(*old), joined.consent.grant(["capture"], *old))})
    assert enrolment is None


def test_new_terms_beyond_the_student_s_limits_are_waited_out_too(port, joined, wait):
    joined.home.settings.write_text("[limits]\nmax_epsilon = 1\n")
    another_text(port, "More.")
    with port.listening():
        assert wait(3)[0] is None
    assert load_enrolment(joined.home).consent_text == "More."


def test_who_leaves_meanwhile_is_not_waited_for(joined, wait):
    enrolment, _ = wait(1000, {2: lambda: joined.consent.withdraw()})
    assert enrolment is None
    assert not asks_anew(joined.home)


def test_a_daemon_that_ended_for_another_reason_is_not_asked_about(joined):
    assert asks_anew(joined.home)
    agree(joined)
    assert not asks_anew(joined.home)
