"""What was spent before a device was enrolled anew: moved as a whole, remembered outside the folder, counted."""

import os
import shutil

import pytest

from fl_client import earlier as module
from fl_client.consent import ConsentBook, State
from fl_client.earlier import earlier_intents, history, put_away
from fl_client.high_water import KeptMark
from fl_client.home import load_enrolment
from fl_client.journal import open_journal
from fl_client.keys import KeyringVault
from shared_models.errors import AddressError, KeyStoreError, LedgerError
from shared_models.privacy.ledger import GENESIS


class KeyStore:
    """The key store of an operating system, in memory."""

    def __init__(self):
        self.kept = {}

    def get_password(self, service, user):
        return self.kept.get(user)

    def set_password(self, service, user, password):
        self.kept[user] = password

    def delete_password(self, service, user):
        del self.kept[user]


@pytest.fixture
def key_store(monkeypatch):
    store = KeyStore()
    monkeypatch.setattr(module, "open_vault", lambda folder, ask: KeyringVault(store, "account"))
    return store


@pytest.fixture
def vault(key_store):
    return KeyringVault(key_store, "account")


@pytest.fixture
def paid(laptop, vault, task_record, monkeypatch):
    """A device that paid for one round, at a server that hears what it is told."""
    laptop.enrolment.save(laptop.home)
    laptop.identity.save(laptop.home, vault)
    laptop.participant().answer(task_record())
    KeptMark(vault).note(1, laptop.ledger().head)
    laptop.told = []
    monkeypatch.setattr(module.Withdrawal, "say", lambda withdrawal: laptop.told.append(withdrawal.address))
    monkeypatch.setattr(module, "ask_receipt", lambda *given: None)
    return laptop


def never(why):
    pytest.fail(f"asked whether the keys are lost: {why}")


def test_all_of_it_goes_and_the_server_is_told(paid, vault):
    ledger = paid.home.ledger.read_bytes()
    assert list(paid.home.outbox.iterdir())
    put_away(paid.home, paid.enrolment.study, None, never)
    place = paid.home.earlier / "1"
    assert (place / "ledger.jsonl").read_bytes() == ledger
    assert {path.name for path in place.iterdir()} == {"ledger.jsonl", "consent.jsonl", "enrolment.json"}
    assert not paid.home.enrolment.exists()
    assert not list(paid.home.outbox.iterdir()), "what was signed with the old keys leaves no more"
    assert ConsentBook(paid.home.root).current().state is State.INVITED
    assert (paid.told, KeptMark(vault).read()) == ([paid.enrolment.enrolment_address], (0, GENESIS))


def test_an_old_copy_of_the_ledger_is_not_put_away_as_if_it_were_all(paid, vault, monkeypatch):
    KeptMark(vault).note(2, "a" * 64)
    with pytest.raises(LedgerError, match="is an old copy"):
        put_away(paid.home, paid.enrolment.study, None, never)
    KeptMark(vault).note(1, paid.ledger().head)

    def seen_more(enrolment, identity, head, home):
        assert head == (1, paid.ledger().head)
        raise LedgerError("the server has seen more")

    monkeypatch.setattr(module, "ask_receipt", seen_more)
    with pytest.raises(LedgerError, match="seen more"):
        put_away(paid.home, paid.enrolment.study, None, never)
    assert (load_enrolment(paid.home), paid.told) == (paid.enrolment, [])


def test_a_server_that_does_not_hear_changes_nothing(paid, monkeypatch):
    def away(withdrawal):
        raise AddressError("nobody answers")

    monkeypatch.setattr(module.Withdrawal, "say", away)
    with pytest.raises(AddressError):
        put_away(paid.home, paid.enrolment.study, None, never)
    assert load_enrolment(paid.home) == paid.enrolment
    assert not paid.home.earlier.exists()


@pytest.mark.parametrize("moves", range(4))
def test_a_crash_in_the_middle_gives_nothing_back_and_is_made_good(paid, vault, monkeypatch, moves):
    """The power goes after so many moves. Until it is done again, nothing is spent."""
    replace, done = os.replace, []

    def replace_until(source, target):
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(replace(source, target))

    paid.home.receipt.write_text("{}")
    monkeypatch.setattr(module.os, "replace", replace_until)
    with pytest.raises(KeyboardInterrupt):
        put_away(paid.home, paid.enrolment.study, None, never)
    monkeypatch.setattr(module.os, "replace", replace)
    with pytest.raises(LedgerError):
        open_journal(paid.home, vault, paid.enrolment, paid.identity)
    put_away(paid.home, paid.enrolment.study, None, never)
    assert len(earlier_intents(paid.home, vault)) == 1


def test_a_wiped_key_store_costs_what_is_stored_and_gives_no_budget_back(paid, key_store, vault):
    key_store.kept.clear()
    with pytest.raises(KeyStoreError):
        put_away(paid.home, paid.enrolment.study, None, lambda why: False)
    reasons = []
    put_away(paid.home, paid.enrolment.study, None, lambda why: reasons.append(why) or True)
    assert "not in this system's key store" in reasons[0]
    assert (paid.told, paid.home.store.exists()) == ([], False)
    assert len(earlier_intents(paid.home, vault)) == 1


def test_the_key_store_remembers_what_was_put_away(paid, vault):
    put_away(paid.home, paid.enrolment.study, None, never)
    assert len(earlier_intents(paid.home, vault)) == 1
    shutil.rmtree(paid.home.earlier)
    with pytest.raises(LedgerError, match="remembers 1 debits, and 0 are in"):
        earlier_intents(paid.home, vault)


def test_a_changed_ledger_of_before_is_not_counted_as_if_it_held(paid, vault):
    put_away(paid.home, paid.enrolment.study, None, never)
    ledger = paid.home.earlier / "1" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"round":1', b'"round":2'))
    for read in (lambda: earlier_intents(paid.home, vault), lambda: history(paid.home, paid.enrolment)):
        with pytest.raises(LedgerError):
            read()
