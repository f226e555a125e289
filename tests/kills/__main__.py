"""Kills a federation's processes again and again, and checks after each kill that nothing is lost."""

import argparse
import itertools
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

_KILLS_A_WORLD, _KILLS_A_WORLD_OF_CAMERAS = 50, 25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1, help="of the first federation; each further one counts on")
    parser.add_argument("--devices", action="store_true", help="kill devices only, whom rounds then wait for")
    parser.add_argument("--cameras", action="store_true", help="kill whole `fl-client run`s that film and train")
    parser.add_argument("--out", type=Path, help="where the log goes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console, began = Console(soft_wrap=True, highlight=False), time.monotonic()
    number, tally, chosen = itertools.count(1), Tally(), Counter[str]()
    parts = _parts(given.kills, _KILLS_A_WORLD_OF_CAMERAS if given.cameras else _KILLS_A_WORLD)
    for seed, kills in enumerate(parts, start=given.seed):
        with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as root:
            world = World(Path(root), waits=given.devices, cameras=given.cameras)
            walk = Walk(world, seed, chosen, lambda text: console.print(f"{next(number)}: {text}"))
            try:
                walk.run(kills)
            except Violation as violation:
                console.print(f"Violation with --seed {seed} --kills {kills}: {violation}", markup=False, style="red")
                return 1
            finally:
                world.end()
        tally += walk.tally
        seconds = time.monotonic() - began
        if given.out is not None:
            write_log(given.out, tally, given.seed, seconds, _commit(), given.cameras)
    console.print(f"{tally.kills.total()} kills in {seconds:.0f} s, {tally.rounds} rounds, nothing lost")
    return 0


def _parts(kills: int, most: int) -> list[int]:
    """Kills by federation: a device's budget lasts for so many rounds."""
    whole, rest = divmod(kills, most)
    return [most] * whole + [rest] * (rest > 0)


def _commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
