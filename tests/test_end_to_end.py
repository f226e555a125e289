"""The whole path with real processes: a server, two devices, TLS on loopback, rendered webcams, kill -9, a cut line."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fl_server.certificates import load_signing_key
from fl_server.folder import FederationFolder
from fl_server.round_summary import read_rounds
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import write_label_script, write_webcam
from shared_models.privacy.events import Intent, RoundClosed
from shared_models.privacy.ledger import parse_entry, read_ledger

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
LABELS = ["happiness", "sadness", "surprise", "neutral"]
ROUNDS = 4
PATIENCE = 120.0
SETTINGS = """
[node]
poll_seconds = 0.3
retry_seconds = 0.5

[training]
mains_only = false
max_cpu_percent = 100
max_celsius = 1000
idle_seconds = 0
"""


def until(happened: Callable[[], bool], what: str) -> None:
    for _ in range(int(PATIENCE / 0.1)):
        if happened():
            return
        threading.Event().wait(0.1)
    raise TimeoutError(what)


class Line:
    """A TCP relay between the devices and the fleet port, which can be cut and mended."""

    def __init__(self, target: int) -> None:
        self._target, self._open, self._pairs = target, True, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while self._listener.fileno() >= 0:
            with suppress(OSError):
                near, _ = self._listener.accept()
                if not self._open:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                self._pairs.append((near, far))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        source.close()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()

    def cut(self) -> None:
        self._open = False
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._open = True


class World:
    """A federation in a temporary folder, and every process started for it."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, FederationFolder(root / "server")
        (root / "passphrase").write_text("correct horse battery staple")
        self._environment = os.environ | {
            "ATTUNE_PASSPHRASE_FILE": str(root / "passphrase"),
            "XDG_STATE_HOME": str(root / "state"),
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name(command[0]))
        return subprocess.run([program, *command[1:]], capture_output=True, text=True, env=self._environment)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        program = str(Path(sys.executable).with_name(command[0]))
        with (self.root / "output.log").open("ab") as log:
            process = subprocess.Popen([program, *command[1:]], stdout=log, stderr=log, env=self._environment)
        self._running.append(process)
        return process

    def start_server(self) -> subprocess.Popen[bytes]:
        before = self._listening()
        server = self.start("fl-server", "start", str(self.folder.root))
        until(lambda: self._listening() > before or server.poll() is not None, "the server listens")
        assert server.poll() is None, (self.root / "output.log").read_text()
        return server

    def _listening(self) -> int:
        return self.folder.log.read_text().count("taking devices") if self.folder.log.exists() else 0

    def home(self, device: int) -> Path:
        return self.root / f"laptop-{device}"

    def status(self, device: int) -> dict:
        return json.loads(self.call("fl-client", "status", "--home", str(self.home(device)), "--json").stdout)

    def closed(self) -> int:
        return sum(summary.state == "checkpointed" for summary in read_rounds(self.folder))

    def failed(self) -> int:
        return sum(summary.state == "failed" for summary in read_rounds(self.folder))

    def end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("federation"))
    try:
        yield world
    finally:
        world.end()


def film(world: World, number: int, labels: list[str]) -> tuple[Path, Path]:
    video, script = world.root / f"{number}.avi", world.root / f"{number}.csv"
    write_label_script(script, write_webcam(video, person(number), labels, LAPTOP, seed=number))
    return video, script


def write_benchmark(world: World) -> Path:
    video, script = film(world, 9000, LABELS)
    rows = [line.split(",") for line in script.read_text().splitlines()[1:]]
    manifest = world.root / "benchmark.csv"
    lines = [f"{i},someone,{label},{video.name},{float(end) - 2},{end}" for i, (end, label) in enumerate(rows)]
    manifest.write_text("\n".join(["clip_id,subject_id,label,path,start,end", *lines]) + "\n")
    return manifest


def test_a_federation_from_camera_to_report(world: World) -> None:
    entries = {
        "benchmark.data": f"manifest:{write_benchmark(world)}",
        "rounds.rounds": ROUNDS,
        "rounds.min_devices": 2,
        "rounds.pause_seconds": 1,
        "rounds.deadline_seconds": 15,
        "policy.participations": ROUNDS + 1,
        "policy.steps": 2,
        "policy.reply_seconds": 0.5,
    }
    options = [part for name, value in entries.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    made = world.call("fl-server", "init", str(world.folder.root), *options)
    assert made.returncode == 0, made.stderr
    invitations = json.loads(
        world.call("fl-server", "invite", str(world.folder.root), "--count", "2", "--json").stdout
    )["invitations"]
    server = world.start_server()
    line = Line(int(world.folder.settings.read_text().split("fleet_port = ")[1].split()[0]))
    devices = [enrol(world, number, invitation, line) for number, invitation in enumerate(invitations)]
    an_invitation_works_once(world, invitations[0])

    until(lambda: all(world.status(n)["capture"] == "ended" for n in (0, 1)), "both laptops have filmed")
    assert [world.status(n)["stored"] for n in (0, 1)] == [len(LABELS)] * 2
    assert world.closed() == 0, "nobody trains before they agreed to train"
    for number in (0, 1):
        assert (
            world.call(
                "fl-client", "consent", "--home", str(world.home(number)), "--scopes", "capture,store,train", "--yes"
            ).returncode
            == 0
        )
    until(lambda: world.closed() >= 1, "the first round")

    line.cut()
    until(lambda: world.failed() >= 1, "a round without its only way fails")
    closed_when_cut = world.closed()
    line.mend()
    until(lambda: world.closed() > closed_when_cut, "the round is done when the line is mended")

    server.send_signal(signal.SIGKILL)
    server.wait()
    server = world.start_server()
    until(lambda: server.poll() is not None, "the last round")
    assert server.returncode == 0, (world.root / "output.log").read_text()
    for device in devices:
        device.send_signal(signal.SIGTERM)
        assert device.wait(30) == 0
    line.close()

    rounds_went_on_where_they_stopped(world)
    the_ledgers_agree(world)
    nothing_personal_reached_the_server(world)
    no_frame_lies_on_a_disk(world)
    report = world.call("fl-server", "report", str(world.folder.root), "--out", str(world.root / "report.html"))
    assert report.returncode == 0, report.stderr
    assert "Spent budget is never refunded" in (world.root / "report.html").read_text()


def enrol(world: World, number: int, invitation: str, line: Line) -> subprocess.Popen[bytes]:
    home = str(world.home(number))
    video, script = film(world, 9001 + number, LABELS)
    joined = world.call("fl-client", "enrol", invitation, "--home", home, "--yes")
    assert joined.returncode == 0, joined.stderr
    record = world.home(number) / "enrolment.json"
    facts = json.loads(record.read_text())
    record.write_text(json.dumps(facts | {"fleet_address": f"127.0.0.1:{line.port}"}))
    (world.home(number) / "config.toml").write_text(SETTINGS)
    agreed = world.call("fl-client", "consent", "--home", home, "--scopes", "capture,store", "--yes")
    assert agreed.returncode == 0, agreed.stderr
    return world.start("fl-client", "run", "--home", home, "--camera", str(video), "--labels", str(script))


def an_invitation_works_once(world: World, invitation: str) -> None:
    again = world.call("fl-client", "enrol", invitation, "--home", str(world.root / "thief"), "--yes")
    assert again.returncode == 17
    assert "refuses this invitation" in again.stderr
    assert "Traceback" not in again.stderr


def rounds_went_on_where_they_stopped(world: World) -> None:
    closed = [summary.round for summary in read_rounds(world.folder) if summary.state == "checkpointed"]
    assert closed == list(range(1, ROUNDS + 1))


def the_ledgers_agree(world: World) -> None:
    """Every update that was used is in the ledger of the device that paid for it; nobody paid less than was used."""
    server = read_ledger(world.folder.ledger, load_signing_key(world.folder).public_key())
    used = dict.fromkeys((world.status(0)["device"], world.status(1)["device"]), 0)
    entries = {
        name: {
            entry.hash
            for entry in map(parse_entry, (world.home(number) / "ledger.jsonl").read_text().splitlines())
            if isinstance(entry.body, Intent)
        }
        for number, name in enumerate(used)
    }
    for entry in server:
        if isinstance(entry.body, RoundClosed):
            for device, debit in entry.body.debits.items():
                assert debit in entries[device]
                used[device] += 1
    assert list(used.values()) == [ROUNDS] * 2
    for number, name in enumerate(used):
        assert world.status(number)["participations"] == len(entries[name]) >= ROUNDS


def nothing_personal_reached_the_server(world: World) -> None:
    kept = b"".join(path.read_bytes() for path in world.folder.root.rglob("*") if path.is_file())
    for secret in (b"laptop-0", b"laptop-1", b"9001.avi", *(f'"{label}":1'.encode() for label in LABELS)):
        assert secret not in kept


def no_frame_lies_on_a_disk(world: World) -> None:
    for number in (0, 1):
        for path in world.home(number).rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert b"happiness" not in content or path.name == "enrolment.json"
                assert b"\x89PNG" not in content
