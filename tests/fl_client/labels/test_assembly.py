"""Never outside consent, and never into a store that has no room."""

import math

import pytest

from fl_client.labels import LabelEvent, LabelScript
from fl_client.labels import assembly as assembly_module
from fl_client.labels.assembly import prober_for, sources_for
from fl_client.labels.prober import Prober
from fl_client.settings import LabelSettings
from tests.fl_client.labels.desk import CROP, Desk, Reader, Reading


@pytest.fixture
def asked(laptop, policy, monkeypatch):
    """`asked(stored)`: whether a question comes within an hour at a desk with that consent and so many sequences."""

    def asked(stored=0):
        desk = Desk()
        monkeypatch.setattr(
            assembly_module, "Prober", lambda *facts: Prober(*facts, clock=desk.clock, chance=desk.chance)
        )
        desk.prober = prober_for(policy, desk.settings, laptop.consent, range(stored))
        desk.spend(3600, CROP)
        return desk.prober.pending() is not None

    return asked


def test_who_agreed_to_capture_and_to_store_is_asked(laptop, asked):
    laptop.agree("capture", "store")
    assert asked()


@pytest.mark.parametrize("scopes", [["capture"], ["store"], ["train"], ["capture", "train", "audit"]])
def test_who_agreed_to_less_is_not(laptop, asked, scopes):
    laptop.agree(*scopes)
    assert not asked()


@pytest.mark.parametrize("end", ["pause", "withdraw"])
def test_who_pauses_or_leaves_is_not(laptop, asked, end):
    laptop.agree("capture", "store")
    getattr(laptop.consent, end)()
    assert not asked()


def test_consent_to_another_policy_is_none(laptop, asked):
    laptop.consent.inform("text", "another")
    laptop.consent.grant(["capture", "store"], "text", "another")
    assert not asked()


def test_nobody_is_asked_for_an_answer_that_has_no_room(laptop, asked, policy):
    laptop.agree("capture", "store")
    assert asked(policy.max_sequences - 1)
    assert not asked(policy.max_sequences)


@pytest.fixture
def due(desk, policy):
    """`due(stored)`: the sources of labels that are due, with a sure reader and so many sequences."""

    def due(stored=0, reader=Reader(Reading(4.0)), **settings):
        script = LabelScript([LabelEvent(1.0, "fear", "script")])
        wanted = LabelSettings(**settings)
        source = sources_for(policy, wanted, range(stored), script, desk.prober, reader)
        return [event.source for event in source.due(math.inf)]

    return due


def test_every_source_is_heard(desk, due):
    desk.prober.answer(desk.until_asked().id, "fear")
    desk.prober.due(math.inf)
    desk.prober.due(math.inf)  # and the answer is stored
    desk.prober.answer(desk.until_asked().id, "fear")
    assert due() == ["script", "probe"]
    assert due(reader=None, pseudo=True) == ["script"]
    assert due(pseudo=True) == ["script", "pseudo"]


def test_the_model_s_labels_leave_half_of_the_store_to_answers(due, policy):
    assert due(policy.max_sequences // 2 - 1, pseudo=True) == ["script", "pseudo"]
    assert due(policy.max_sequences // 2, pseudo=True) == ["script"]


def test_while_a_question_waits_the_model_labels_nothing(desk, due):
    desk.until_asked()
    assert due(pseudo=True) == ["script"]
