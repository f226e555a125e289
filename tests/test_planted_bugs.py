"""The bugs that are easiest to have and hardest to see: each is planted once, and the suite must find it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ENGINES, TRAINING = "shared_models/privacy/gradients/test_engines.py", "fl_client/test_training.py"
BUGS = {
    "no clip": (TRAINING, "clip_norm"),
    "half noise": (TRAINING, "noise_of_the_size"),
    "per-frame gradients": (ENGINES, "fast and separate_backward_passes"),
    "reused seed": ("shared_models/privacy/test_noise.py", "share or key"),
    "refunded crash": ("fl_client/test_participant.py", "crash or lifetime_cap"),
    "rate from n": (TRAINING, "number_of_sequences"),
}


def outcome_with(bug: str, file: str, chosen: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "ATTUNE_PLANTED_BUG": bug,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS / "planted")]),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "planted_bugs", "-p", "no:cacheprovider", "-k", chosen]
    return subprocess.run(
        [*command, str(TESTS / file)], cwd=TESTS.parent, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("bug", BUGS)
def test_the_suite_finds(bug: str) -> None:
    done = outcome_with(bug, *BUGS[bug])
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-2000:]
    assert "AssertionError" in done.stdout or "DID NOT RAISE" in done.stdout or "assert " in done.stdout


def test_without_a_bug_the_same_tests_pass() -> None:
    """So that a failure above is the bug's and not the harness's."""
    for file in {file for file, _ in BUGS.values()} - {ENGINES}:
        chosen = " or ".join(f"({words})" for where, words in BUGS.values() if where == file)
        assert outcome_with("none", file, chosen).returncode == pytest.ExitCode.OK
