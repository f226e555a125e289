"""Joining, agreeing scope by scope, leaving and joining anew, as a student does at a terminal."""

import datetime as dt
import json
import secrets
import shutil
import signal
from unittest.mock import ANY

import numpy as np
import pytest
import typer

from fl_client import cli
from fl_client.consent import ConsentBook, Scope, State
from fl_client.explain import SCOPES
from fl_client.home import Home, Identity, load_enrolment
from fl_client.journal import open_journal
from fl_client.keys import open_vault
from fl_client.store import Store
from fl_client.terms import ask_terms
from fl_server.settings import load_settings
from shared_models.errors import BudgetError, EnrolmentError
from shared_models.files import only_one
from shared_models.privacy.events import Intent


@pytest.fixture(autouse=True)
def passphrase(quick_passphrase):
    return quick_passphrase


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, *arguments)


@pytest.fixture
def answers(monkeypatch):
    """`answers({"capture": True})`: says so to each question that names it, presses Enter at others; what was asked."""

    def answers(said):
        asked = []

        def confirm(question, default):
            asked.append(question)
            return next((answer for words, answer in said.items() if words in question), default)

        monkeypatch.setattr(typer, "confirm", confirm)
        return asked

    return answers


@pytest.fixture
def member(run, tmp_path, port, capsys):
    """A device that enrolled and agreed to nothing yet; its server has stopped since."""
    home = Home(tmp_path / "device")
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", home.root, "--yes") == 0
    capsys.readouterr()
    return home


def scopes(home):
    return {str(scope) for scope in ConsentBook(home.root).current().scopes}


def test_before_joining_all_that_is_agreed_to_is_shown(run, port, tmp_path, capsys, answers):
    asked = answers({"join": True, "agree to capture": True})
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", tmp_path / "device") == 0
    shown, study = " ".join(capsys.readouterr().out.split()), load_settings(port.folder.settings).study
    for text in (study.title, study.controller, study.contact, study.purpose, study.consent_text, *SCOPES.values()):
        assert " ".join(text.split()) in shown
    assert asked[1:] == [f"Do you agree to {scope}?" for scope in Scope]
    assert scopes(Home(tmp_path / "device")) == {"capture"}


def test_each_scope_is_asked_for_and_enter_keeps_what_holds(run, member, answers):
    answers({"capture": True, "store": True})
    assert run("consent", "--home", member.root) == 0
    assert scopes(member) == {"capture", "store"}
    answers({"train": True, "capture": False})
    assert run("consent", "--home", member.root) == 0
    assert scopes(member) == {"store", "train"}


def test_saying_no_to_all_ends_what_held(run, member, answers, capsys):
    answers({"agree": True})
    run("consent", "--home", member.root)
    answers({"agree": False})
    assert run("consent", "--home", member.root) == 0
    assert "You agreed to nothing" in capsys.readouterr().out
    assert ConsentBook(member.root).current().state is State.INFORMED


def test_nobody_agrees_to_scopes_that_were_not_named(run, member, capsys):
    assert run("consent", "--home", member.root, "--yes") == 2
    assert "--yes agrees to nothing by itself" in capsys.readouterr().err
    assert scopes(member) == set()


def test_terms_that_change_while_they_are_read_are_not_agreed_to(run, member, monkeypatch, capsys):
    def changes(question, default):
        facts = json.loads(member.enrolment.read_bytes())
        member.enrolment.write_text(json.dumps(facts | {"consent_text": "More."}))
        return True

    monkeypatch.setattr(typer, "confirm", changes)
    assert run("consent", "--home", member.root) == 21
    assert "changed while you were reading" in capsys.readouterr().err
    assert scopes(member) == set()


def test_what_cannot_be_undone_is_said_before_the_question(run, member, capsys, monkeypatch):
    said = []
    monkeypatch.setattr(typer, "confirm", lambda question, default: said.append(capsys.readouterr().out) or False)
    assert run("withdraw", "--home", member.root) == 130
    before = " ".join(said[0].split())
    assert "none of it can be brought back" in before
    assert "What was sent before cannot be called back, and what it cost is not given back" in before
    assert ConsentBook(member.root).current().state is State.INFORMED


def test_run_after_leaving_tells_the_server_and_ends(run, member, port, capsys):
    assert run("withdraw", "--home", member.root, "--yes") == 0
    assert len(port.registry.active()) == 1
    with port.listening():
        assert run("run", "--home", member.root) == 0
    assert port.registry.active() == []
    assert run("run", "--home", member.root) == 0, "there is nothing left to do, and nothing to complain about"


def test_run_waits_for_consent_and_is_stopped_while_it_waits(run, member, capsys, monkeypatch):
    handlers = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    asked = []

    def ask_and_stop(current, identity):
        asked.append(handlers[signal.SIGTERM](signal.SIGTERM, None))
        return current

    monkeypatch.setattr("fl_client.waiting.ask_terms", ask_and_stop)
    assert run("run", "--home", member.root, "--camera", "nowhere.avi") == 0, "the camera is not opened"
    assert len(asked) == 1
    assert "Waiting for you" in " ".join(capsys.readouterr().out.split())
    assert "waiting for you" in json.loads(member.status.read_bytes())["node"]


@pytest.fixture
def spent(member, run):
    """`spent(home, rounds)`: as if so many rounds had been paid for."""

    def spent(rounds, home=member):
        vault, enrolment = open_vault(home.root), load_enrolment(home)
        journal = open_journal(home, vault, enrolment, Identity.load(home, vault))
        for number in range(rounds):
            journal._ledger.append(
                Intent(
                    study=enrolment.study,
                    device=enrolment.pseudonym,
                    round=number + 1,
                    nonce=secrets.token_hex(16),
                    model_hash="0" * 64,
                    policy_hash=enrolment.policy.hash,
                    mechanisms=enrolment.policy.mechanisms,
                    engine="fast",
                    update_hash="0" * 64,
                )
            )

    return spent


@pytest.fixture
def stored(member):
    """The device with one sequence in its store, and everything agreed to."""
    terms = load_enrolment(member)
    ConsentBook(member.root).grant(list(Scope), terms.text_hash, terms.policy.hash)
    with Store(member.store, open_vault(member.root)) as store:
        store.add(np.zeros((4, 1, 48, 48), np.uint8), 1, "happiness", "tap", dt.datetime.now(dt.UTC))
    return member


def status(run, home, capsys):
    capsys.readouterr()
    assert run("status", "--home", home.root, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_device_that_is_enrolled_anew_has_spent_what_it_spent_and_is_asked_again(run, stored, port, spent, capsys):
    spent(2)
    before, old = status(run, stored, capsys), load_enrolment(stored)
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", stored.root, "--yes", "--again") == 0
    after, new = status(run, stored, capsys), load_enrolment(stored)
    assert new.pseudonym != old.pseudonym
    assert [device.pseudonym for device in port.registry.active()] == [new.pseudonym], "the old keys are let in no more"
    assert (after["participations"], after["epsilon"]) == (before["participations"], before["epsilon"]) == (2, ANY)
    assert after["epsilon"] > 0
    assert (after["consent"], after["scopes"], after["stored"]) == ("informed", [], 1)
    with Store(stored.store, open_vault(stored.root)) as store:
        assert len(list(store.load_all())) == 1
    spent(1)
    assert status(run, stored, capsys)["participations"] == 3
    assert run("privacy", "--home", stored.root, "--json") == 0
    uploads = json.loads(capsys.readouterr().out)["uploads"]
    assert [row["round"] for row in uploads] == [1, 2, 1]
    assert uploads[1]["epsilon_after"] < uploads[2]["epsilon_after"]


def test_a_budget_that_was_spent_stays_spent(run, member, port, spent):
    spent(load_enrolment(member).policy.lifetime_rounds)
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", member.root, "--yes", "--again") == 0
    vault, enrolment = open_vault(member.root), load_enrolment(member)
    with pytest.raises(BudgetError, match="is spent"):
        open_journal(member, vault, enrolment, Identity.load(member, vault)).require_budget()


def test_it_can_be_enrolled_anew_more_than_once(run, member, port, spent, capsys):
    for _ in range(3):
        spent(1)
        with port.listening():
            assert run("enrol", port.invite().encode(), "--home", member.root, "--yes", "--again") == 0
    assert status(run, member, capsys)["participations"] == 3


def test_a_forgotten_passphrase_costs_what_is_stored_and_gives_no_budget_back(
    run, stored, port, spent, passphrase, answers, capsys
):
    spent(2)
    passphrase.write_text("a new one")
    asked = answers({"join": True, "lost for good": True})
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", stored.root, "--again") == 0
    assert any("is destroyed" in question for question in asked)
    after = status(run, stored, capsys)
    assert (after["participations"], after["stored"]) == (2, 0)
    assert len(port.registry.active()) == 2, "only the old keys could tell the server"


def test_a_mistyped_passphrase_destroys_nothing(run, stored, port, passphrase, answers, capsys):
    passphrase.write_text("mistyped")
    before = load_enrolment(stored)
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", stored.root, "--yes", "--again") == 24
        answers({"join": True})
        assert run("enrol", port.invite().encode(), "--home", stored.root, "--again") == 24
    passphrase.write_text("correct horse battery staple")
    assert load_enrolment(stored) == before
    with Store(stored.store, open_vault(stored.root)) as store:
        assert len(list(store.load_all())) == 1


def test_who_left_can_come_back_to_what_was_spent(run, stored, port, spent, capsys):
    spent(2)
    with port.listening():
        assert run("withdraw", "--home", stored.root, "--yes") == 0
        assert run("enrol", port.invite().encode(), "--home", stored.root, "--yes") == 2
        assert run("enrol", port.invite().encode(), "--home", stored.root, "--yes", "--again") == 0
    after = status(run, stored, capsys)
    assert (after["consent"], after["participations"], after["stored"]) == ("informed", 2, 0)


def test_a_folder_belongs_to_one_study(run, member, port, capsys):
    facts = json.loads(member.enrolment.read_bytes())
    member.enrolment.write_text(json.dumps(facts | {"study": "another"}))
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", member.root, "--yes", "--again") == 2
    assert "belongs to another study" in capsys.readouterr().err
    assert port.registry.open_invitations() == 1


def test_a_device_at_work_is_not_enrolled_anew(run, member, port, capsys):
    with port.listening(), only_one(member.lock, "the device"):
        assert run("enrol", port.invite().encode(), "--home", member.root, "--yes", "--again") == 2
    assert "runs already" in capsys.readouterr().err


def test_a_second_home_is_another_device_with_a_budget_of_its_own(run, member, port, spent, tmp_path, capsys):
    """What docs/losing-things.md says cannot be prevented, so that nobody reads more into it."""
    spent(2)
    second = Home(tmp_path / "second")
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", second.root, "--yes") == 0
    assert status(run, second, capsys)["participations"] == 0
    assert status(run, member, capsys)["participations"] == 2
    assert len(port.registry.active()) == 2


def test_a_copy_from_before_it_was_enrolled_anew_is_of_no_use(run, member, port, spent, tmp_path):
    spent(1)
    copy = Home(tmp_path / "copy")
    shutil.copytree(member.root, copy.root)
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", member.root, "--yes", "--again") == 0
        vault, enrolment = open_vault(copy.root), load_enrolment(copy)
        with pytest.raises(EnrolmentError, match="refuses this request"):
            ask_terms(enrolment, Identity.load(copy, vault))


def test_a_folder_that_moved_to_another_laptop_is_the_same_device(run, stored, port, spent, tmp_path, capsys):
    spent(2)
    moved = Home(tmp_path / "new laptop")
    shutil.move(stored.root, moved.root)
    after = status(run, moved, capsys)
    assert (after["participations"], after["stored"], after["device"]) == (2, 1, load_enrolment(moved).pseudonym)
    with port.listening():
        vault = open_vault(moved.root)
        ask_terms(load_enrolment(moved), Identity.load(moved, vault))
