"""What a running device settles at the enrolment port."""

import threading
from itertools import pairwise

import pytest

from fl_client import clerk as module
from fl_client.clerk import Clerk
from fl_client.countersigned import kept_receipt
from fl_client.enrolment import accept, read_offer
from fl_client.settings import Limits
from fl_server.certificates import load_signing_key
from fl_server.enrolment.terms import describe
from fl_server.settings import load_settings
from shared_models.errors import ConsentError, LedgerError
from shared_models.privacy.events import Erased, Released
from shared_models.privacy.receipts import LedgerHead


@pytest.fixture
def joined(port, laptop):
    with port.listening():
        laptop.enrolment = accept(read_offer(port.invite()), laptop.identity)
    laptop.enrolment.save(laptop.home)
    laptop.agree()
    return laptop


def noted(ask, name, looks, asked):
    """`ask`, which also notes in `asked` at which look it was called."""

    def note_and_ask(*given):
        asked.append((name, looks.seen))
        return ask(*given)

    return note_and_ask


@pytest.fixture
def run(joined, monkeypatch, make_looks):
    """`run(seconds, {second: what happens})`: the clerk at work for so long; what it asked, with the time."""

    def run(count, at=None):
        looks, asked = make_looks(count, at), []
        monkeypatch.setattr(module, "steady", looks)
        for name in ("ask_terms", "ask_receipt"):
            monkeypatch.setattr(module, name, noted(getattr(module, name), name, looks, asked))
        journal = joined.journal()
        joined.working = journal
        Clerk(joined.home, joined.enrolment, joined.identity, journal, Limits()).run(looks)
        return asked

    return run


def append(joined, *bodies):
    for body in bodies:
        joined.working._ledger.append(body)


def test_it_asks_at_the_start_then_for_a_receipt_after_a_release_only(port, joined, run):
    steps = {
        2: lambda: append(joined, Erased()),  # stands for a debit: training goes on
        6: lambda: append(joined, Released(nonce="0" * 32)),
    }
    with port.listening():
        asked = run(9, steps)
    assert asked == [("ask_terms", 0), ("ask_receipt", 0), ("ask_receipt", 6)]
    assert kept_receipt(joined.home)["entries"] == 2
    assert port.registry.member(joined.enrolment.pseudonym).head.entries == 2


def test_the_terms_are_looked_at_again_within_an_hour_or_so(port, joined, run, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_SECONDS", 100.0)
    with port.listening():
        times = [100 * seen for name, seen in run(60) if name == "ask_terms"]
    assert times[0] == 0
    assert all(2500 <= after - before <= 4800 for before, after in pairwise(times))


def test_a_server_that_is_away_is_asked_again_a_minute_later_and_holds_nothing_up(joined, run):
    asked = run(100)
    assert {name for name, _ in asked} == {"ask_terms", "ask_receipt"}
    assert 4 <= len(asked) <= 6


def test_a_task_of_another_policy_makes_it_look_at_once(port, joined, run, monkeypatch):
    clerks = []
    made = Clerk.__init__
    monkeypatch.setattr(Clerk, "__init__", lambda clerk, *given: (made(clerk, *given), clerks.append(clerk))[0])
    with port.listening():
        asked = run(6, {3: lambda: clerks[0].look_soon()})
    assert [seen for name, seen in asked if name == "ask_terms"] == [0, 3]


def test_terms_that_changed_while_it_runs_end_it(port, joined, run):
    settings = load_settings(port.folder.settings)
    new = settings.model_copy(update={"study": settings.study.model_copy(update={"consent_text": "More."})})
    port.terms = describe(new, new.privacy_policy(), load_signing_key(port.folder))
    with port.listening(), pytest.raises(ConsentError, match="have changed"):
        run(3)


def test_a_ledger_that_was_put_back_ends_it_at_the_start(port, joined, run):
    port.registry.advance(joined.enrolment.pseudonym, LedgerHead(4, "a" * 64))
    with port.listening(), pytest.raises(LedgerError, match="is an old copy"):
        run(3)


def test_it_stops_when_it_is_told_to(joined):
    stop = threading.Event()
    stop.set()
    Clerk(joined.home, joined.enrolment, joined.identity, joined.journal(), Limits()).run(stop)
