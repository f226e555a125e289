"""`fl-client probe` and the running program, as two sides of one socket."""

import io
import json
import logging
import math
import socket
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from fl_client.cli import app
from fl_client.labels import terminal
from fl_client.labels.terminal import RunningProgram, TerminalDoor
from shared_models import commandline
from shared_models.errors import DataError, UsageError
from tests.fl_client.labels.desk import Desk

needs_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no sockets in folders")


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has to be short
        yield Path(folder)


@pytest.fixture
def serve(home, monkeypatch):
    """`serve(desk)`: opens the door to that desk's prober."""
    monkeypatch.setattr(terminal, "_WAKE_SECONDS", 0.01)
    stop, threads = threading.Event(), []

    def serve(desk):
        listening = threading.Event()
        monkeypatch.setattr(TerminalDoor, "_serve_one", _told(TerminalDoor._serve_one, listening))
        threads.append(threading.Thread(target=TerminalDoor(home / "questions.sock", desk.prober).run, args=[stop]))
        threads[0].start()
        assert listening.wait(10)

    yield serve
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def _told(serve_one, listening):
    def tell(*args):
        listening.set()
        serve_one(*args)

    return tell


@pytest.fixture
def probe(home, leave, monkeypatch, capsys):
    """`probe("7\\n", "--skip")`: the command with what is typed; its exit code and what it printed."""

    def probe(typed="", *options):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = leave(lambda: commandline.run(app), "probe", "--home", str(home), *options)
        said = capsys.readouterr()
        return code, said.out + said.err

    return probe


pytestmark = needs_sockets


def test_an_answer_typed_in_a_terminal_reaches_the_running_program(desk, serve, probe):
    desk.until_asked()
    serve(desk)
    code, said = probe("2\n")
    assert code == 0
    assert "in the ten seconds before this question?" in said
    assert "7  fear" in said
    assert "Thank you" in said
    assert [(event.label, event.source) for event in desk.prober.due(math.inf)] == [("happiness", "probe")]


def test_learner_states_are_a_grid(serve, probe):
    desk = Desk("learner-4x4")
    desk.until_asked()
    serve(desk)
    code, said = probe("11\n")
    assert code == 0
    row = next(line for line in said.splitlines() if "confusion" in line)
    assert "9 not at all" in row
    assert "12 very" in row
    assert [event.label for event in desk.prober.due(math.inf)] == ["confusion:2"]


@pytest.mark.parametrize(("typed", "options"), [("s\n", []), ("", ["--skip"])])
def test_a_question_can_be_skipped(desk, serve, probe, typed, options):
    desk.until_asked()
    serve(desk)
    code, said = probe(typed, *options)
    assert (code, "Skipped" in said) == (0, True)
    assert desk.prober.pending() is None
    assert desk.prober.due(math.inf) == []


def test_what_is_no_choice_is_asked_for_again_and_stores_nothing(desk, serve, probe):
    desk.until_asked()
    serve(desk)
    code, _ = probe("8\nhappy\n")  # and then nothing more is typed
    assert code == 130
    assert desk.prober.pending() is not None
    assert desk.prober.due(math.inf) == []


def test_the_facts_are_those_of_the_question(desk, serve, probe):
    serve(desk)
    assert json.loads(probe("", "--json")[1]) is None
    waiting = desk.until_asked()
    assert json.loads(probe("", "--json")[1]) == waiting.facts


def test_without_a_question_it_says_so(desk, serve, probe):
    serve(desk)
    assert probe() == (0, "There is no question now.\n")


def test_without_a_running_program_it_says_so(probe, home):
    code, said = probe()
    assert code == UsageError.exit_code
    assert "The program that asks cannot be reached" in said
    (home / "questions.sock").touch()
    assert probe()[0] == UsageError.exit_code


def test_an_answer_that_comes_second_is_refused_in_the_same_words(desk, serve, home):
    waiting = desk.until_asked()
    serve(desk)
    program = RunningProgram(home / "questions.sock")
    assert program.pending() == waiting
    program.answer(waiting.id, "fear")
    with pytest.raises(DataError, match="it was answered already") as refused:
        program.answer(waiting.id, "fear")
    assert refused.value.fix
    assert len(desk.prober.due(math.inf)) == 1


def test_nobody_else_may_open_it_and_nothing_is_left_of_it(desk, serve, home, caplog):
    caplog.set_level(logging.DEBUG)
    waiting = desk.until_asked()
    serve(desk)
    assert stat.S_IMODE((home / "questions.sock").stat().st_mode) == 0o600
    RunningProgram(home / "questions.sock").answer(waiting.id, "disgust")
    assert [path.name for path in home.iterdir()] == ["questions.sock"]
    assert "disgust" not in caplog.text


def test_a_socket_that_a_killed_program_left_is_replaced_and_taken_away_in_the_end(desk, serve, home):
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(home / "questions.sock"))
    serve(desk)
    assert RunningProgram(home / "questions.sock").pending() is None


@pytest.mark.parametrize(
    "sent", [b"", b"\n", b"\xff\n", b"[" * 9000, b'{"do": "answer", "probe": 3}\n', b'{"do": "eval"}\n']
)
def test_nonsense_is_answered_and_ends_nothing(desk, serve, home, sent):
    serve(desk)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(home / "questions.sock"))
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert b"not understood" in connection.makefile("rb").readline()
    assert RunningProgram(home / "questions.sock").pending() is None


def test_who_hangs_up_or_says_nothing_holds_nobody_up(desk, serve, home, monkeypatch):
    monkeypatch.setattr(terminal, "_HEARING_SECONDS", 0.05)
    serve(desk)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(home / "questions.sock"))
        assert RunningProgram(home / "questions.sock").pending() is None


def test_where_no_socket_can_be_made_the_rest_goes_on(desk, home, caplog):
    deep = home / ("long" * 40) / "questions.sock"
    deep.parent.mkdir()
    TerminalDoor(deep, desk.prober).run(threading.Event())
    assert "`fl-client probe` does not work here" in caplog.text
