"""The short form of `make kills`: a few kills of a real server and real devices, most of them at commit points."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = 6

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


def test_a_killed_server_and_killed_devices_lose_nothing_and_count_nothing_twice() -> None:
    """In a process of its own, since it forks, and this one has threads."""
    command = [sys.executable, "-m", "tests.kills", "--kills", str(KILLS), "--seed", "7"]
    walk = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert walk.returncode == 0, walk.stdout + walk.stderr
    *deaths, summary = walk.stdout.splitlines()
    assert len(deaths) == KILLS
    assert sum("at random" not in death for death in deaths) >= KILLS // 2, walk.stdout
    assert "nothing lost" in summary
