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
from typing import TypeVar

from rich.live import Live
from rich.progress import track

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.live import round_table
from fl_server.policy_in_force import policy_in_force
from fl_server.round_summary import read_rounds
from fl_server.settings import load_settings
from shared_models import commandline
from shared_models.commandline import out
from shared_models.data.sequences import Sequences
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.errors import AttuneError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.privacy.gradients import ENGINES, engine_by_name
from shared_models.resources import use_one_core
from simulations.demo.cast import BENCHMARK_PEOPLE, DEVICES, SCHEME, SEEDS, benchmark, students, write_manifest
from simulations.demo.devices import DemoDevice
from simulations.demo.processes import Processes
from simulations.demo.reference import Outcome, compare, film, film_and_capture
from simulations.demo.show import show_outcome, write_demo_result
from simulations.result import Stopwatch

_WORKERS = 2
_POLL_SECONDS = 0.5
_TITLE = "Attune demo"
_Result = TypeVar("_Result")


class Demo:
    """One demo in one folder. What can be done while something else is waited for is."""

    def __init__(self, root: Path, rounds: int, seeds: Iterable[int], engine: str) -> None:
        self._root, self._rounds, self._seeds = root, rounds, list(seeds)
        self._engine = engine
        self._videos, self._folder = root / "videos", FederationFolder(root / "server")
        self._server = str(self._folder.root)
        self._passphrase = root / "passphrase"
        self._manifest = self._videos / "benchmark.csv"
        self._devices = [
            DemoDevice(root / "devices" / str(webcam.number), webcam)
            for webcam in students(self._videos, self._seeds[0])
        ]

    def run(self) -> None:
        watch = Stopwatch()
        self._prepare()
        with (
            Processes(self._root / "logs", {"ATTUNE_PASSPHRASE_FILE": str(self._passphrase)}) as processes,
            ProcessPoolExecutor(_WORKERS, mp_context=get_context("spawn"), initializer=_ignore_interrupts) as pool,
        ):
            try:
                statuses, outcomes = self._play(processes, pool)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        model, _ = Checkpoints(self._folder.checkpoints).load(0)
        write_demo_result(self._root / "result.json", self._folder, model, statuses, outcomes, watch)
        show_outcome(self._root, self._folder, statuses, outcomes)

    def _prepare(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        (self._root / "logs").mkdir(parents=True)
        self._passphrase.touch(mode=0o600)
        self._passphrase.write_text(secrets.token_urlsafe(24), encoding="utf-8")

    def _play(self, processes: Processes, pool: ProcessPoolExecutor) -> tuple[list[dict[str, object]], list[Outcome]]:
        cameras = benchmark(self._videos)
        _tracked(pool.map(film, cameras), "Rendering the benchmark's people", BENCHMARK_PEOPLE)
        write_manifest(cameras, self._manifest)
        invitations = self._open_federation(processes)
        _tracked(pool.map(film, [device.webcam for device in self._devices]), "Rendering four webcams", DEVICES)
        self._enrol(processes, invitations)
        self._capture(processes)

        others = [webcam for seed in self._seeds[1:] for webcam in students(self._videos, seed)]
        captured = pool.map(film_and_capture, others)
        held_out = pool.submit(load_benchmark, parse_spec(f"manifest:{self._manifest}"), SCHEME)
        self._train(processes)
        statuses = [device.status(processes) for device in self._devices]
        processes.call("fl-server", "report", self._server)
        clients = [device.sequences(self._passphrase) for device in self._devices]
        clients += _tracked(captured, "Other people, to compare", len(others))
        return statuses, self._compare(clients, held_out.result())

    def _open_federation(self, processes: Processes) -> list[str]:
        """Starts the server and returns its invitations; it listens when it has scored the pretrained model."""
        entries = {
            "study.title": _TITLE,
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
        processes.call("fl-server", "init", self._server, *options)
        invited = json.loads(processes.call("fl-server", "invite", self._server, "--count", str(DEVICES), "--json"))
        processes.start("server", "fl-server", "start", self._server)
        return list(invited["invitations"])

    def _enrol(self, processes: Processes, invitations: list[str]) -> None:
        with out.status("The server cuts the benchmark's faces and scores the pretrained model"):
            while not _listens(self._folder):
                processes.check()
                time.sleep(_POLL_SECONDS)
        with out.status("Four students enrol and agree to be filmed"):
            for device, invitation in zip(self._devices, invitations, strict=True):
                device.enrol(processes, invitation, self._engine)
                device.consent(processes, "capture,store")

    def _capture(self, processes: Processes) -> None:
        """The students agree to train only when they have seen what was stored."""
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
                live.update(round_table(read_rounds(self._folder), _TITLE, cap), refresh=True)
                time.sleep(_POLL_SECONDS)
            processes.check()
            live.update(round_table(read_rounds(self._folder), _TITLE, cap), refresh=True)
        out.print()

    def _compare(self, clients: list[Sequences], held_out: Sequences) -> list[Outcome]:
        """Each seed's people with noise and without; the first seed's noise was that of the real processes."""
        settings, checkpoints = load_settings(self._folder.settings), Checkpoints(self._folder.checkpoints)
        scored = Benchmark(held_out, settings.model.trainable)
        measured = scored.score(checkpoints.load(self._rounds)[0])
        model, policy = checkpoints.load(0)[0], policy_in_force(self._folder, settings)
        engine, outcomes = engine_by_name(self._engine), []
        for position, seed in enumerate(self._seeds):
            people = clients[position * DEVICES : (position + 1) * DEVICES]
            private = measured if position == 0 else None
            outcomes.append(compare(model, policy, people, self._rounds, scored, seed, engine, private))
        return outcomes


def _tracked(results: Iterable[_Result], title: str, count: int) -> list[_Result]:
    return list(track(results, title, total=count, console=out))


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
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help="how devices take gradients")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    use_one_core()
    try:
        Demo(options.out.resolve(), options.rounds, SEEDS[: options.seeds], options.engine).run()
    except AttuneError as error:
        commandline.err.print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        commandline.err.print("Stopped: every process of the demo has ended.")
        sys.exit(commandline.EXIT_INTERRUPTED)
