"""Runs the demo from nothing to the report, and stops every process it started whatever happens."""

import argparse
import json
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.progress import track

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.live import round_table
from fl_server.settings import load_settings
from fl_server.status import read_rounds
from shared_models import commandline
from shared_models.commandline import out
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.errors import AttuneError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.resources import use_one_core
from simulations.demo.cast import DEVICES, SCHEME, SEEDS, Webcam, benchmark, students, write_manifest
from simulations.demo.devices import DemoDevice
from simulations.demo.processes import Processes
from simulations.demo.reference import compare, film, film_and_capture
from simulations.demo.show import show_outcome, write_demo_result
from simulations.result import Stopwatch

_WORKERS = 2
_POLL_SECONDS = 0.5


class Demo:
    """One demo in one folder."""

    def __init__(self, root: Path, rounds: int, seeds: Iterable[int]) -> None:
        self._root, self._rounds, self._seeds = root, rounds, list(seeds)
        self._videos, self._server = root / "videos", root / "server"
        self._folder = FederationFolder(self._server)
        self._devices = [
            DemoDevice(root / "devices" / str(webcam.number), webcam)
            for webcam in students(self._videos, self._seeds[0])
        ]
        self._manifest = self._videos / "benchmark.csv"

    def run(self) -> None:
        watch = Stopwatch()
        shutil.rmtree(self._root, ignore_errors=True)
        (self._root / "logs").mkdir(parents=True)
        passphrase = self._root / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        with (
            Processes(self._root / "logs", {"ATTUNE_PASSPHRASE_FILE": str(passphrase)}) as processes,
            ProcessPoolExecutor(_WORKERS, mp_context=get_context("spawn"), initializer=_ignore_interrupts) as pool,
        ):
            self._film(pool)
            self._open_federation(processes)
            self._capture(processes)
            self._train(processes)
            statuses = [device.status(processes) for device in self._devices]
            processes.call("fl-server", "report", str(self._server))
            outcomes = self._reference(pool)
        model, _ = Checkpoints(self._folder.checkpoints).load(0)
        write_demo_result(self._root / "result.json", self._folder, model, statuses, outcomes, watch)
        show_outcome(self._root, self._folder, statuses, outcomes)

    def _film(self, pool: ProcessPoolExecutor) -> None:
        cameras = benchmark(self._videos) + [device.webcam for device in self._devices]
        _tracked(pool, film, cameras, "Rendering webcams and the benchmark's videos")
        write_manifest(benchmark(self._videos), self._manifest)

    def _open_federation(self, processes: Processes) -> None:
        entries = {
            "study.title": "Attune demo",
            "study.id": "demo",
            "study.controller": "this computer",
            "study.contact": "nobody",
            "model.scheme": SCHEME.name,
            "benchmark.data": f"manifest:{self._manifest}",
            "rounds.rounds": self._rounds,
            "rounds.min_devices": DEVICES,
            "rounds.pause_seconds": 0,
            "policy.participations": self._rounds,
            "policy.reply_seconds": 2,
        }
        options = [part for name, value in entries.items() for part in ("--set", f"{name}={json.dumps(value)}")]
        processes.call("fl-server", "init", str(self._server), *options)
        invited = json.loads(
            processes.call("fl-server", "invite", str(self._server), "--count", str(DEVICES), "--json")
        )
        processes.start("server", "fl-server", "start", str(self._server))
        self._wait_for_server(processes)
        for device, invitation in zip(self._devices, invited["invitations"], strict=True):
            device.enrol(processes, invitation)
            device.consent(processes, "capture,store")

    def _wait_for_server(self, processes: Processes) -> None:
        with out.status("Starting the server: it cuts the benchmark's faces and scores the pretrained model"):
            while not _listens(self._folder):
                processes.check()
                time.sleep(_POLL_SECONDS)

    def _capture(self, processes: Processes) -> None:
        """The students agree to be filmed first, and to train only when they have seen what was stored."""
        for device in self._devices:
            device.start(processes)
        with out.status("Capturing") as line:
            while any(device.progress().get("capture") != "ended" for device in self._devices):
                processes.check()
                stored = [device.progress().get("stored", 0) for device in self._devices]
                line.update(f"Four devices watch their cameras; sequences stored: {stored}")
                time.sleep(_POLL_SECONDS)
        for device in self._devices:
            device.consent(processes, "capture,store,train")

    def _train(self, processes: Processes) -> None:
        cap = load_settings(self._folder.settings).policy.epsilon
        with Live(console=out, auto_refresh=False) as live:
            while not processes.ended("server"):
                processes.check()
                live.update(round_table(read_rounds(self._folder), "Attune demo", cap), refresh=True)
                time.sleep(_POLL_SECONDS)
            processes.check()
            live.update(round_table(read_rounds(self._folder), "Attune demo", cap), refresh=True)

    def _reference(self, pool: ProcessPoolExecutor) -> list[Any]:
        cameras = [webcam for seed in self._seeds for webcam in students(self._videos, seed)]
        captured = _tracked(pool, film_and_capture, cameras, "The same without noise, and two more seeds")
        folder, settings = self._folder, load_settings(self._folder.settings)
        checkpoints = Checkpoints(folder.checkpoints)
        scored = Benchmark(load_benchmark(parse_spec(settings.benchmark.data), SCHEME), settings.model.trainable)
        measured = scored.score(checkpoints.load(self._rounds)[0])
        model, policy = checkpoints.load(0)[0], settings.privacy_policy()
        outcomes = []
        for position, seed in enumerate(self._seeds):
            clients = captured[position * DEVICES : (position + 1) * DEVICES]
            outcomes.append(compare(model, policy, clients, self._rounds, scored, seed, None if position else measured))
        return outcomes


def _tracked(pool: ProcessPoolExecutor, work: Any, webcams: list[Webcam], title: str) -> list[Any]:
    return list(track(pool.map(work, webcams), title, total=len(webcams), console=out))


def _listens(folder: FederationFolder) -> bool:
    return folder.log.exists() and "taking devices on port" in folder.log.read_text(errors="replace")


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many groups of people to compare")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    use_one_core()
    try:
        Demo(options.out.resolve(), options.rounds, SEEDS[: options.seeds]).run()
    except AttuneError as error:
        commandline.err.print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        commandline.err.print("Stopped: every process of the demo has ended.")
        sys.exit(commandline.EXIT_INTERRUPTED)
