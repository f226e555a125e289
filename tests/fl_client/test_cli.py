"""The student's commands: documented, and whatever goes wrong is one sentence and one exit code."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
import typer

from fl_client import cli
from fl_client.consent import ConsentBook, Scope, State
from fl_client.daemon_status import DaemonStatus, write_status
from fl_client.home import Home, Identity, load_enrolment
from fl_client.keys import open_vault
from fl_server.certificates import load_signing_key
from fl_server.enrolment.registry import Registry
from fl_server.settings import load_settings
from shared_models.enrolment.proofs import terms_form
from shared_models.files import is_held, only_one
from shared_models.privacy.ledger import Ledger

SECRET = "correct horse battery staple"


@pytest.fixture(autouse=True)
def passphrase(tmp_path, monkeypatch):
    """Keys of this test never reach the key store of the computer that it runs on."""
    file = tmp_path / "passphrase"
    file.write_text(SECRET)
    monkeypatch.setenv("ATTUNE_PASSPHRASE_FILE", str(file))
    monkeypatch.setattr("fl_client.keys.find_backend", lambda backend: None)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "device")


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, *arguments)


@pytest.fixture
def fails(run, capsys):
    """`fails(code, ...)`: the one sentence that a command leaves behind with this exit code."""

    def fails(code, *arguments):
        capsys.readouterr()
        assert run(*arguments) == code
        err = capsys.readouterr().err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err.removeprefix("error: ").strip()

    return fails


@pytest.fixture
def invitation(port):
    """An invitation to a server that listens."""
    with port.listening():
        yield port.invite().encode()


@pytest.fixture
def enrolled(laptop, monkeypatch):
    """A device that is enrolled and has agreed to nothing but reading the terms."""
    laptop.enrolment.save(laptop.home)
    laptop.identity.save(laptop.home, open_vault(laptop.home.root))
    return laptop.home


def test_every_command_and_option_has_help_an_example_and_a_line_in_the_documentation(check_documentation):
    check_documentation("fl-client", cli.app)


def test_a_student_joins_reads_agrees_pauses_and_goes_on(run, home, invitation, capsys, folder):
    assert run("enrol", invitation, "--home", home.root, "--yes") == 0
    text = " ".join(capsys.readouterr().out.split())
    enrolment = load_enrolment(home)
    assert f"Enrolled as device {enrolment.pseudonym}" in text
    assert "Pictures never leave this computer" in text
    assert "is right in at most" in text
    [device] = Registry(folder.enrolment).devices()
    assert device.pseudonym == enrolment.pseudonym
    assert Identity.load(home, open_vault(home.root)).ledger.public_key().public_bytes_raw() == device.ledger_key
    book = ConsentBook(home.root)
    assert book.current().state is State.INFORMED

    assert run("consent", "--home", home.root, "--scopes", "capture, store", "--yes") == 0
    assert load_settings(folder.settings).study.consent_text[:60] in " ".join(capsys.readouterr().out.split())
    assert {str(scope) for scope in book.current().scopes} == {"capture", "store"}
    assert run("pause", "--home", home.root) == 0
    assert book.current().state is State.PAUSED
    assert run("resume", "--home", home.root) == 0
    assert book.current().state is State.ACTIVE


def test_an_invitation_can_be_in_a_file(run, home, invitation, tmp_path):
    (tmp_path / "invitation.txt").write_text(invitation + "\n")
    assert run("enrol", tmp_path / "invitation.txt", "--home", home.root, "--yes") == 0


def test_who_says_no_has_joined_nothing(run, home, invitation, folder, monkeypatch):
    monkeypatch.setattr(typer, "confirm", lambda question, default: False)
    assert run("enrol", invitation, "--home", home.root) == 130
    assert not home.root.exists()
    assert Registry(folder.enrolment).open_invitations() == 1


def test_nobody_is_enrolled_without_being_asked(run, home, invitation, monkeypatch):
    asked = []
    monkeypatch.setattr(typer, "confirm", lambda question, default: asked.append((question, default)) or True)
    assert run("enrol", invitation, "--home", home.root) == 0
    assert "join" in asked[0][0]
    assert [question for question, _ in asked[1:]] == [f"Do you agree to {scope}?" for scope in Scope]
    assert not any(default for _, default in asked)
    assert ConsentBook(home.root).current().scopes == set(Scope)


def test_a_device_is_enrolled_once(run, fails, home, invitation):
    run("enrol", invitation, "--home", home.root, "--yes")
    assert "is enrolled already" in fails(2, "enrol", invitation, "--home", home.root, "--yes")
    other = home.root.with_name("second")
    assert "refuses this invitation" in fails(17, "enrol", invitation, "--home", other, "--yes")


def test_a_policy_beyond_the_student_s_own_limits_is_refused_and_the_invitation_kept(fails, home, invitation, folder):
    home.create()
    home.settings.write_text("[limits]\nmax_epsilon = 1\n")
    assert "because of its epsilon" in fails(13, "enrol", invitation, "--home", home.root, "--yes")
    assert not home.enrolment.exists()
    assert Registry(folder.enrolment).open_invitations() == 1


@pytest.mark.parametrize("text", ["hello", "attune1.", "attune1.e30", "x" * 300, ""])
def test_what_is_no_invitation_is_refused(fails, home, text):
    assert "This is not an invitation" in fails(17, "enrol", text, "--home", home.root)


def test_text_of_the_server_s_is_shown_as_it_is(run, home, port, capsys):
    port.terms.title = "Seminar [/] [red]\x1b[8m\u202e2026"
    port.terms.signature = load_signing_key(port.folder).sign(terms_form(port.terms))
    with port.listening():
        shows_the_title_as_it_is(run, home, port.invite().encode(), capsys)


def shows_the_title_as_it_is(run, home, invitation, capsys):
    assert run("enrol", invitation, "--home", home.root, "--yes") == 0
    assert "Seminar [/] [red]?[8m?2026 - run by" in capsys.readouterr().out
    assert run("status", "--home", home.root) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_the_whole_consent_text_is_shown(run, enrolled, capsys):
    facts = json.loads(enrolled.enrolment.read_bytes())
    facts["consent_text"] = "You agree to [conceal]much more[/conceal].\x1b[2K\nReally."
    enrolled.enrolment.write_text(json.dumps(facts))
    enrolment = load_enrolment(enrolled)
    ConsentBook(enrolled.root).inform(enrolment.text_hash, enrolment.policy.hash)
    assert run("consent", "--home", enrolled.root, "--scopes", "capture", "--yes") == 0
    assert "You agree to [conceal]much more[/conceal].?[2K\nReally." in capsys.readouterr().out


def test_who_does_not_agree_has_agreed_to_nothing(fails, run, enrolled, monkeypatch):
    before = ConsentBook(enrolled.root).current()
    monkeypatch.setattr(typer, "confirm", lambda question, default: False)
    assert run("consent", "--home", enrolled.root, "--scopes", "audit") == 21
    assert ConsentBook(enrolled.root).current() == before


@pytest.mark.parametrize(("code", "scopes"), [(2, "capture,everything"), (2, "TRAIN"), (21, ""), (21, ",")])
def test_unknown_and_missing_scopes_are_refused(run, enrolled, code, scopes, capsys):
    assert run("consent", "--home", enrolled.root, "--scopes", scopes, "--yes") == code
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "command"), [(17, "consent"), (17, "run"), (17, "status"), (21, "pause"), (21, "resume")]
)
def test_a_device_that_is_not_enrolled_is_told_so_and_nothing_is_made(fails, home, code, command):
    fails(code, command, "--home", home.root)
    assert not home.root.exists()


def test_status_says_what_was_spent_from_the_ledger_itself(run, enrolled, laptop, task_record, capsys):
    laptop.participant().answer(task_record(4))
    write_status(
        enrolled.status, DaemonStatus(since=datetime.now(UTC), node="connected", capture="capturing", frames=7)
    )
    with only_one(enrolled.lock, "the device"):
        assert run("status", "--home", enrolled.root, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    policy = laptop.enrolment.policy
    assert (facts["participations"], facts["participations_cap"]) == (1, policy.participations)
    assert (facts["epsilon"], facts["epsilon_cap"]) == (policy.epsilon_after(1), policy.epsilon)
    assert (facts["running"], facts["frames"], facts["stored"]) == (True, 7, 0)
    assert (facts["consent"], facts["scopes"]) == ("active", ["capture", "store", "train"])
    assert run("status", "--home", enrolled.root) == 0
    assert f"Privacy spent: epsilon {facts['epsilon']:.4f} of 8.0000" in " ".join(capsys.readouterr().out.split())


def test_status_says_what_is_wrong_with_the_clock_and_what_nobody_can_tell(run, enrolled, capsys):
    said = {"clock": "This computer's clock is 90 seconds behind the server's", "unknown": ["when it was last used"]}
    write_status(enrolled.status, DaemonStatus(since=datetime.now(UTC), node="connected", capture="ended", **said))
    with only_one(enrolled.lock, "the device"):
        assert run("status", "--home", enrolled.root) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "This computer's clock is 90 seconds behind the server's. Set it" in shown
    assert "does not tell when it was last used: training does not wait for that" in shown


def test_status_before_the_first_start(run, enrolled, capsys):
    assert run("status", "--home", enrolled.root, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["running"], facts["node"], facts["epsilon"], facts["participations"]) == (
        False,
        "never started",
        0.0,
        0,
    )


def test_a_ledger_that_was_changed_is_not_shown_as_if_it_held(fails, enrolled, laptop, task_record):
    laptop.participant().answer(task_record())
    enrolled.ledger.write_bytes(enrolled.ledger.read_bytes().replace(b'"round":1', b'"round":2'))
    fails(14, "status", "--home", enrolled.root)


def test_a_ledger_of_another_device_is_not_this_one_s(fails, enrolled, make_laptop, task_record, make_receipt):
    other = make_laptop(7)
    other.participant().answer(task_record(receipt=make_receipt(device=other.enrolment.pseudonym)))
    enrolled.ledger.write_bytes(other.home.ledger.read_bytes())
    assert Ledger(other.home.ledger, other.identity.ledger).intents
    fails(14, "status", "--home", enrolled.root)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (11, ["--labels", "nowhere.csv"]),
        (19, ["--camera", "nowhere.avi"]),
        (2, ["--camera"]),
        (2, ["--fps", "3"]),
    ],
)
def test_run_names_what_it_cannot_use(run, enrolled, code, arguments, capsys):
    assert run("run", "--home", enrolled.root, *arguments) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.fixture
def empty_room(tmp_path):
    """A folder of frames without a face."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(3):
        cv2.imwrite(str(frames / f"f{i}.png"), np.full((120, 160, 3), 128, np.uint8))
    return frames


def test_run_with_a_wrong_setting_or_a_wrong_passphrase_does_not_start(fails, enrolled, empty_room, tmp_path):
    (tmp_path / "passphrase").write_text("wrong")
    fails(24, "run", "--home", enrolled.root, "--camera", empty_room)
    enrolled.settings.write_text("[node]\npoll_second = 3\n")
    assert "node.poll_second" in fails(10, "run", "--home", enrolled.root)


def test_run_with_nobody_in_the_picture_says_so(run, enrolled, empty_room, capsys):
    assert run("run", "--home", enrolled.root, "--camera", empty_room) == 19
    out, err = capsys.readouterr()
    assert "is running. Ctrl-C stops it" in out
    assert err.startswith("error: No usable face was found in any frame:")


def test_of_two_programs_on_one_device_the_second_ends_at_once(fails, enrolled, tmp_path):
    """The first is a process of its own, which waits for a camera that this computer does not have."""
    command = [sys.executable, "-c", "from fl_client.cli import run; run()", "run", "--camera", "97"]
    folders = {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": ":".join(sys.path)}
    first = subprocess.Popen(
        [*command, "--home", enrolled.root], stderr=subprocess.PIPE, text=True, env=os.environ | folders
    )
    try:
        waits = first.stderr.readline()
        assert waits.startswith("Camera 97 cannot be opened: ")
        assert waits.endswith("This program tries again by itself.\n")
        assert "runs already" in fails(2, "run", "--home", enrolled.root, "--camera", "97")
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    assert not is_held(enrolled.lock), "a program that was killed holds nothing"


def test_where_no_key_can_be_kept_and_nobody_is_there_to_ask_it_says_so(fails, home, invitation, monkeypatch):
    monkeypatch.delenv("ATTUNE_PASSPHRASE_FILE")
    assert "ATTUNE_PASSPHRASE_FILE" in fails(10, "enrol", invitation, "--home", home.root, "--yes")
    assert not home.enrolment.exists()


def test_as_a_program_it_is_one_sentence_and_one_exit_code(tmp_path):
    command = [sys.executable, "-c", "from fl_client.cli import run; run()", "status", "--home", "nowhere"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (17, "")
    assert ended.stderr.startswith("error: This device is not enrolled in a study.")
    assert ended.stderr.count("\n") == 1


@pytest.fixture
def member(run, home, port, capsys):
    """A device that enrolled at a server, which has stopped since."""
    with port.listening():
        assert run("enrol", port.invite().encode(), "--home", home.root, "--yes") == 0
    run("consent", "--home", home.root, "--scopes", "capture,store,train", "--yes")
    capsys.readouterr()
    return home


def test_who_withdraws_is_heard_at_once(run, member, port, capsys):
    with port.listening():
        assert run("withdraw", "--home", member.root, "--yes") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "The study's server has heard it and asks this device for nothing more." in said
    assert "cannot be called back" in said
    assert (port.registry.active(), member.withdrawal.exists()) == ([], False)
    assert run("withdraw", "--home", member.root, "--yes") == 0
    assert "You have left already" in capsys.readouterr().out


def test_where_nobody_answers_the_next_command_tells_the_server(run, fails, member, port, capsys):
    assert run("withdraw", "--home", member.root, "--yes") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "does not answer" in said
    assert "`fl-client withdraw` again" in said
    assert ConsentBook(member.root).current().state is State.WITHDRAWN
    assert run("withdraw", "--home", member.root, "--yes") == 16
    assert "has not heard it yet" in capsys.readouterr().err
    assert run("status", "--home", member.root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["withdrawal_unheard"] is True
    assert len(port.registry.active()) == 1
    with port.listening():
        assert run("status", "--home", member.root, "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["withdrawal_unheard"] is False
    assert "has heard now that this device has left" in said.err
    assert port.registry.active() == []


def test_a_forgotten_passphrase_keeps_nobody_in_and_says_whom_to_tell(run, member, port, tmp_path, capsys, monkeypatch):
    (tmp_path / "passphrase").write_text("something else")
    asked = []
    monkeypatch.setattr(typer, "confirm", lambda question, default: asked.append(question) or True)
    with port.listening():
        assert run("withdraw", "--home", member.root) == 0
    said = " ".join(capsys.readouterr().out.split())
    [device] = port.registry.active()
    assert asked == ["Leave the study and destroy everything stored here?", "Leave without telling it?"]
    assert f"tell nobody yet that device {device.pseudonym} has left" in said
    assert not member.withdrawal.exists()
    assert ConsentBook(member.root).current().state is State.WITHDRAWN


def test_who_mistyped_the_passphrase_can_think_again(run, member, tmp_path, monkeypatch):
    (tmp_path / "passphrase").write_text("something else")
    monkeypatch.setattr(typer, "confirm", lambda question, default: "without telling" not in question)
    assert run("withdraw", "--home", member.root) == 130
    (tmp_path / "passphrase").write_text(SECRET)
    Identity.load(member, open_vault(member.root))
    assert ConsentBook(member.root).current().state is State.ACTIVE


def test_new_terms_beyond_the_student_s_limits_cannot_be_agreed_to(fails, enrolled):
    enrolled.settings.write_text("[limits]\nmax_epsilon = 1\n")
    assert "because of its epsilon" in fails(13, "consent", "--home", enrolled.root)


def test_the_receipt_is_part_of_the_account(run, enrolled, capsys):
    receipt = {"entries": 2, "head": "a" * 64, "at": 1_700_000_000, "signature": "b" * 128}
    enrolled.receipt.write_text(json.dumps(receipt))
    assert run("privacy", "--home", enrolled.root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["receipt"] == receipt
    assert run("privacy", "--home", enrolled.root) == 0
    assert "countersigned this ledger up to entry 2" in " ".join(capsys.readouterr().out.split())
