"""Kills a federation's processes again and again, and checks after each kill that nothing is lost."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from rich.console import Console

from tests.kills.log import write_log
from tests.kills.walk import Tally, Walk
from tests.kills.world import Violation, World

_KILLS_A_WORLD = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where the log goes")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    console, began, tally, places = Console(soft_wrap=True), time.monotonic(), Tally(), Counter[str]()
    for number, kills in enumerate(_parts(chosen.kills)):
        seed = chosen.seed + number
        console.print(f"world {number}, seed {seed}: {kills} kills")
        with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as root:
            world = World(Path(root))
            walk = Walk(world, seed, places, console.print)
            try:
                walk.run(kills)
            except Violation as violation:
                console.print(f"Violation with --seed {seed} --kills {kills}: {violation}", markup=False, style="red")
                return 1
            finally:
                world.end()
        tally += walk.tally
    seconds = time.monotonic() - began
    if chosen.out is not None:
        write_log(chosen.out, tally, chosen.seed, seconds, _commit())
    console.print(f"{tally.kills.total()} kills in {seconds:.0f} s, {tally.rounds} rounds, nothing lost")
    return 0


def _parts(kills: int) -> list[int]:
    """A device's budget lasts for so many rounds: a long walk goes through several worlds."""
    whole, rest = divmod(kills, _KILLS_A_WORLD)
    return [_KILLS_A_WORLD] * whole + [rest] * (rest > 0)


def _commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
