"""The short forms of `make kills` and `make kills-client`: a few kills, most of them at commit points."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS, KILLS_OF_LAPTOPS = 6, 2

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


def test_a_killed_server_and_killed_devices_lose_nothing_and_count_nothing_twice() -> None:
    deaths = walk("--kills", str(KILLS), "--seed", "7")
    assert len(deaths) == KILLS
    assert sum("at random" not in death for death in deaths) >= KILLS // 2, deaths


def test_killed_laptops_that_film_store_train_and_delete_lose_nothing_and_leave_nothing_in_the_clear() -> None:
    deaths = walk("--cameras", "--kills", str(KILLS_OF_LAPTOPS), "--seed", "7")
    assert len(deaths) >= KILLS_OF_LAPTOPS


def walk(*options: str) -> list[str]:
    """Where processes died. In a process of its own, since it forks, and this one has threads."""
    command = [sys.executable, "-m", "tests.kills", *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    *deaths, summary = ended.stdout.splitlines()
    assert "nothing lost" in summary
    return deaths
