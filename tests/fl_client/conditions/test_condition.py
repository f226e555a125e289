import subprocess

import psutil
import pytest

from fl_client.conditions.condition import Condition


@pytest.mark.parametrize(
    "trouble",
    [
        FileNotFoundError("loginctl"),
        PermissionError("/sys/class"),
        ValueError("no number"),
        psutil.AccessDenied(),
        subprocess.CalledProcessError(1, "busctl"),
        subprocess.TimeoutExpired("ioreg", 2),
    ],
)
def test_a_question_that_fails_is_one_without_an_answer(trouble):
    def fails():
        raise trouble

    assert Condition("something", fails, str).read() is None
