"""One small federation on disk, and the processes that work on it: a server and three devices."""

import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fl_client.home import Home, load_enrolment
from fl_server import cli as server_cli
from fl_server.folder import FederationFolder
from fl_server.settings import Settings
from fl_server.setup import create_federation
from fl_server.verify.lines import complete_lines
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import write_label_script, write_webcam
from tests.kills import device, laptop
from tests.kills.probe import Doom
from tests.kills.processes import Process, until
from tests.kills.server import serve

DEVICES = 3
QUORUM = 2
_PARTICIPATIONS = 200  # the most that a device's own limits allow
_UP_SECONDS = 60.0
MOST_SEQUENCES = 8
"""That a device with a camera stores."""
_VIDEO, _LABELS = "camera.avi", "labels.csv"
SERVER, DELETION = "server", "deletion"
_SETTINGS = """[node]
poll_seconds = 0.2
retry_seconds = 0.2
[training]
mains_only = false
max_cpu_percent = 100
max_celsius = 200
idle_seconds = 0
[page]
on = false
"""


class Violation(Exception):  # noqa: N818 - what all of this is there to find
    """An invariant does not hold, or a program did not do what it is for."""


class World:
    """Files under `root`. Every process is started, killed and started again by its name."""

    def __init__(self, root: Path, waits: bool = False, cameras: bool = False) -> None:
        """waits: rounds are not closed before every device has answered
        cameras: devices are the whole of `fl-client run`, in front of a rendered face
        """
        self.root, self.folder, self.waits, self.cameras = root, FederationFolder(root / SERVER), waits, cameras
        self.settings = self._create()
        self.homes = {f"device-{n}": Home(root / f"device-{n}") for n in range(DEVICES)}
        self.names = [SERVER, *self.homes]
        self.dooms = {name: Doom() for name in (*self.names, DELETION)}
        self._running: dict[str, Process] = {}
        for name in self.names:
            self.notes(name).mkdir(parents=True)
        if cameras:
            self.call(partial(_film, root), "film")  # OpenCV starts threads, and with threads nobody can fork

    def notes(self, name: str) -> Path:
        """Where a process keeps what the invariants are checked with."""
        return self.root / "notes" / name

    def trace(self, name: str) -> Path:
        return self.notes(name).with_suffix(".trace")

    def output(self, name: str) -> Path:
        return self.root / f"{name}.output"

    def start(self, name: str, rounds: int = _PARTICIPATIONS - 10) -> Process:
        doom, notes = self.dooms[name], self.notes(name)
        if name == SERVER:
            work = partial(serve, self.folder, rounds, notes, doom)
        elif self.cameras:
            work = partial(
                laptop.film_and_take_part, self.homes[name].root, self.root / _VIDEO, self.root / _LABELS, notes, doom
            )
        else:
            work = partial(device.take_part, list(self.homes).index(name), self.homes[name].root, notes, doom)
        self._running[name] = Process(work, self.output(name))
        return self._running[name]

    def process(self, name: str) -> Process:
        return self._running[name]

    def delete(self, name: str, ids: Iterable[str]) -> Process:
        """Starts the deletion of sequences of a device, which may run meanwhile."""
        work = partial(laptop.delete, self.homes[name].root, sorted(ids), self.notes(DELETION), self.dooms[DELETION])
        self._running[DELETION] = Process(work, self.output(DELETION))
        return self._running[DELETION]

    @contextmanager
    def standing_still(self, name: str) -> Iterator[None]:
        self._running[name].signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._running[name].signal(signal.SIGCONT)

    def wait_until_up(self) -> bool:
        """Whether the server takes devices: what an earlier one left unfinished is then finished."""
        server = self._running[SERVER]
        return until(lambda: server.ended() or self._answers(), _UP_SECONDS) and not server.ended()

    def enrol(self) -> None:
        """Starts the server, enrols every device over the network, and starts them."""
        self.start(SERVER)
        if not self.wait_until_up():
            raise Violation(f"the server did not start:\n{self.output(SERVER).read_text()}")
        folder = str(self.folder.root)
        self.call(lambda: _call_server("invite", folder, "--count", str(DEVICES), "--json"), "invitations")
        invitations = json.loads(self.output("invitations").read_text())["invitations"]
        for (name, home), invitation in zip(self.homes.items(), invitations, strict=True):
            self.call(partial(device.enrol, home.root, invitation), name)
            scopes = "capture,store,train" if self.cameras else "train"
            self.call(partial(device.agree, home.root, scopes), name)
            home.settings.write_text(_SETTINGS)
            self.start(name)

    def verify(self) -> None:
        """Hands over the devices' whole ledgers, writes the study's bundle of evidence, and checks it as an auditor."""
        self.folder.device_ledgers.mkdir(mode=0o700, exist_ok=True)
        for home in self.homes.values():
            device = load_enrolment(home).pseudonym
            (self.folder.device_ledgers / f"{device}.jsonl").write_bytes(complete_lines(home.ledger))
        folder, bundle = str(self.folder.root), str(self.root / "bundle.zip")
        self.call(lambda: _call_server("report", folder, "--format", "bundle", "--out", bundle), "report")
        self.call(lambda: _call_server("verify", bundle), "verify")

    def registry_is_locked(self) -> bool:
        """Whether the server is writing to it at this moment."""
        try:
            with closing(sqlite3.connect(self.folder.enrolment, timeout=0)) as registry:
                registry.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            return True
        return False

    def call(self, work: Callable[[], None], name: str) -> None:
        """Runs `work` in a process of its own to its end."""
        process = Process(work, self.output(name))
        if not process.wait(_UP_SECONDS) or process.code != 0:
            process.kill()
            raise Violation(f"{name} failed:\n{self.output(name).read_text()[-2000:]}")

    def end(self) -> None:
        for process in self._running.values():
            process.kill()

    def _answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.settings.server.enrolment_port), 1).close()
            return True
        return False

    def _create(self) -> Settings:
        self.root.mkdir(parents=True, exist_ok=True)
        passphrase = self.root / "passphrase"
        passphrase.write_text("correct horse battery staple")
        (self.root / "tmp").mkdir()
        os.environ |= {
            "ATTUNE_PASSPHRASE_FILE": str(passphrase),
            "XDG_STATE_HOME": str(self.root / "state"),
            "TMPDIR": str(self.root / "tmp"),
        }
        entries: dict[str, dict[str, object]] = {
            "policy": {"participations": _PARTICIPATIONS, "steps": 1, "reply_seconds": 0.1, "min_survivors": QUORUM},
            "rounds": {
                "min_devices": QUORUM,
                "close_at": 1.0 if self.waits else 0.8,
                "deadline_seconds": 60.0 if self.waits or self.cameras else 10.0,
                "straggler_seconds": 0.5,
                "pause_seconds": 0.0,
            },
            "benchmark": {"data": f"manifest:{_write_benchmark(self.root / 'benchmark')}"},
        }
        if self.cameras:
            entries["policy"] |= {"max_sequences": MOST_SEQUENCES, "views": 1}
        return create_federation(self.folder.root, entries)


def _call_server(*arguments: str) -> None:
    sys.argv = ["fl-server", *arguments]
    server_cli.run()


def _film(root: Path) -> None:
    """A rendered webcam, and when somebody in front of it tapped which label."""
    taps = ["happiness", "surprise", "sadness"]
    write_label_script(root / _LABELS, write_webcam(root / _VIDEO, person(1), taps, LAPTOP, seed=1))


def _write_benchmark(folder: Path) -> Path:
    """Two pictures: scoring a model on them takes no time."""
    folder.mkdir()
    rng, lines = np.random.default_rng(0), ["clip_id,subject_id,label,path,faces"]
    for label in ("happiness", "sadness"):
        cv2.imwrite(str(folder / f"{label}.png"), rng.integers(0, 256, (48, 48), dtype=np.uint8))
        lines.append(f"{label},someone,{label},{label}.png,cropped")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest
