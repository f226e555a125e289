import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest
import typer

from shared_models import commandline, errors
from shared_models.commandline import print_json, program, run
from shared_models.errors import AttuneError, PolicyError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AttuneError)]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the details of unexpected errors go."""
    folder = tmp_path / "state"
    monkeypatch.setattr(platformdirs, "user_state_dir", lambda name: str(folder))
    return folder


@pytest.fixture
def leave(monkeypatch: pytest.MonkeyPatch, state: Path) -> Callable[..., int]:
    """Runs a program of one command with these arguments; gives its exit code."""

    def start(command: Callable[..., object], *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fl-test", *arguments])
        app = program("A program for tests.")
        app.command()(command)
        with pytest.raises(SystemExit) as left:
            run(app)
        return int(left.value.code or 0)

    return start


def failing(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def test_a_command_that_works_leaves_with_0_and_a_clean_stderr(leave, capsys) -> None:
    assert leave(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_one_line_and_its_exit_code(leave, capsys, state, kind: type[AttuneError]) -> None:
    what = "It did not work " + "because of something that takes long to tell " * 8
    error = kind("reason", what) if kind is errors.WireError else kind(what, why="of this", fix="Do that")
    assert leave(failing(error)) == kind.exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {error}\n"
    assert not state.exists()


@pytest.mark.parametrize(
    "what", ["a [bold] b", r"C:\[/red]", "[/]", r"x\[y]", ":smile: [link=x]", "ends in \\", "{0}%s"]
)
def test_brackets_and_signs_in_an_error_are_printed_as_they_are(leave, capsys, what: str) -> None:
    assert leave(failing(PolicyError(what))) == 13
    assert capsys.readouterr().err == f"error: {what}.\n"


def test_what_nobody_expected_is_one_line_and_the_details_are_kept(leave, capsys, state) -> None:
    assert leave(failing(ZeroDivisionError("canary [/]"))) == 1
    out, err = capsys.readouterr()
    kept = state / "fl-test-error.log"
    assert out == ""
    assert err == f"error: Something unexpected happened. The details are in {kept}.\n"
    details = kept.read_text()
    assert details.startswith("Traceback")
    assert "ZeroDivisionError: canary" in details
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_the_details_are_those_of_the_last_time(leave, state) -> None:
    leave(failing(KeyError("first")))
    leave(failing(KeyError("second")))
    assert "first" not in (state / "fl-test-error.log").read_text()


def test_where_the_details_cannot_be_kept_there_is_still_no_traceback(leave, capsys, state) -> None:
    state.write_text("a file where the folder should be")
    assert leave(failing(RuntimeError("canary"))) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: Something unexpected happened. The details could not be kept.\n"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), typer.Abort()])
def test_an_interrupted_command_leaves_with_130(leave, capsys, stop: BaseException) -> None:
    assert leave(failing(stop)) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_wrong_usage_leaves_with_2_and_says_what_is_wrong(leave, capsys) -> None:
    assert leave(lambda: None, "--unheard-of") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--unheard-of" in err
    assert "Traceback" not in err


def test_a_command_can_choose_its_exit_code(leave) -> None:
    assert leave(failing(typer.Exit(7))) == 7


def test_help_leaves_with_0(leave, capsys) -> None:
    assert leave(lambda: None, "--help") == 0
    assert "Usage" in capsys.readouterr().out


def test_facts_for_programs_are_json_and_nothing_else(leave, capsys) -> None:
    facts = {"name": "Zoë [/]", "epsilon": None, "spent": [1, 2.5], "long": "x" * 500}

    def command(as_json: bool = typer.Option(False, "--json")) -> None:
        if as_json:
            print_json(facts)

    assert leave(command, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == facts
    assert err == ""


def test_the_two_consoles_do_not_mix() -> None:
    assert commandline.err.stderr
    assert not commandline.out.stderr


def test_progress_in_a_log_file_is_a_line_for_each_twentieth_with_the_time_left(capsys, monkeypatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(commandline.time, "monotonic", lambda: next(clock))
    with commandline.progress_by_stage() as follow:
        for done in range(1, 101):
            follow("encoder", done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20
    assert lines[0].startswith("encoder: 5 of 100, 0:0")
    assert lines[-1] == "encoder: 100 of 100, 0:00:00 left at this pace"


def test_what_an_earlier_process_did_is_no_measure_of_the_pace(capsys, monkeypatch) -> None:
    """90 of 100 were done before; one takes a second."""
    now = [0.0]
    monkeypatch.setattr(commandline.time, "monotonic", lambda: now[0])
    with commandline.progress_by_stage() as follow:
        for done in range(90, 96):
            follow("encoder", done, 100)
            now[0] += 1
    assert capsys.readouterr().err.splitlines() == ["encoder: 95 of 100, 0:00:05 left at this pace"]
