"""What each system prints or counts, read on every system; the systems themselves only where they are there."""

import subprocess
import sys

import pytest

from fl_client.conditions.idle import unused
from fl_client.conditions.last_input import linux, read_idle_seconds
from fl_client.conditions.last_input.linux import logind_seconds, mutter_seconds
from fl_client.conditions.last_input.macos import hid_seconds
from fl_client.conditions.last_input.windows import tick_seconds

IOREG = """
+-o IOHIDSystem  <class IOHIDSystem, id 0x1000003a2, registered, matched, active, busy 0 (0 ms), retain 22>
    {
      "HIDParameters" = {"HIDIdleTimeDelta"=5,"HIDClickTime"=500000000}
      "HIDIdleTime" = 1234567890
    }
"""


def test_macos_counts_nanoseconds():
    assert hid_seconds(IOREG) == pytest.approx(1.23456789)
    assert hid_seconds("+-o Root") is None


def test_windows_counts_milliseconds_and_starts_again():
    assert tick_seconds(90_500, 500) == 90.0
    assert tick_seconds(1_000, (1 << 32) - 2_000) == 3.0


def test_gnome_counts_milliseconds():
    assert mutter_seconds("t 4321\n") == 4.321


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [
        ("IdleHint=yes\nIdleSinceHintMonotonic=700000000\n", 300.0),
        ("IdleHint=no\nIdleSinceHintMonotonic=700000000\n", 0.0),
        ("", None),
    ],
)
def test_logind_says_since_when(printed, seconds):
    assert logind_seconds(printed, now=1000.0) == seconds


@pytest.fixture
def answers(monkeypatch):
    """`answers[program] = text`: what it prints; any other program is missing."""
    answers = {}

    def output_of(program, *options):
        if program not in answers:
            raise FileNotFoundError(program)
        return answers[program]

    monkeypatch.setattr(linux, "output_of", output_of)
    return answers


def test_linux_asks_gnome_first_and_logind_where_there_is_none(answers):
    answers["loginctl"] = "IdleHint=no\nIdleSinceHintMonotonic=0\n"
    assert linux.idle_seconds() == 0.0
    answers["busctl"] = "t 90000"
    assert linux.idle_seconds() == 90.0


@pytest.mark.skipif(sys.platform != "linux", reason="about Linux")
def test_where_nobody_can_be_asked_it_is_unknown(answers, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert unused(120).read() is None


@pytest.mark.skipif(sys.platform != "linux", reason="about Linux")
def test_a_display_that_is_not_there_is_unknown_and_ends_nothing(monkeypatch):
    monkeypatch.setenv("DISPLAY", "127.0.0.1:64999")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert unused(120).read() is None


@pytest.mark.skipif(sys.platform != "linux", reason="about Linux")
def test_under_wayland_the_x_display_is_not_asked(answers, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    answers["busctl"] = "t 5000"
    assert read_idle_seconds() == 5.0


def test_a_program_that_fails_is_an_error_that_a_condition_knows():
    from fl_client.conditions.last_input.command import output_of

    with pytest.raises(subprocess.CalledProcessError):
        output_of(sys.executable, "-c", "raise SystemExit(3)")
    assert output_of(sys.executable, "-c", "print('t 1')") == "t 1\n"
