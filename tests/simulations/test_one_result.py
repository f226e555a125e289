"""With one seed and no noise, one process, two workers, Flower's runtime and the real programs give one result."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.policy_in_force import policy_in_force
from fl_server.settings import load_settings
from simulations.demo.cast import Webcam, write_manifest
from simulations.demo.devices import DemoDevice
from simulations.demo.processes import Processes
from simulations.engines import open_engine

SEED, ROUNDS = 5, 2
PATIENCE_SECONDS = 300.0
SILENCE = """
import torch
from shared_models.privacy.noise import NoiseSource
NoiseSource.normal = lambda self, shape: torch.zeros(tuple(shape), dtype=torch.float64)
"""
"""What every real process reads at its start: noise of nothing but zeros, and all else as it is."""


def trained(name, workers, model, clients, policy, cohort, weights_of) -> Tensor:
    with open_engine(name, model, clients, SEED, "fast", workers) as engine:
        return weights_of(engine.train(policy, ROUNDS, cohort, lambda done, total: None).model)


@pytest.mark.usefixtures("with_ray")
@pytest.mark.filterwarnings("ignore")  # of Ray
def test_two_workers_and_flower_give_the_weights_of_one_process(model, policy, make_sequences, weights_of) -> None:
    clients, plain = [make_sequences(2, number) for number in range(4)], policy.without_noise()
    alone, shared_out, flower = (
        trained(name, workers, model, clients, plain, 3, weights_of)
        for name, workers in (("local", 0), ("local", 2), ("flower", 2))
    )
    assert (alone - weights_of(model)).abs().max() > 1e-3
    torch.testing.assert_close(shared_out, alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(flower, alone, rtol=0, atol=1e-5)


@pytest.fixture
def silent_processes(tmp_path: Path) -> Iterator[Processes]:
    for folder in ("logs", "silence"):
        (tmp_path / folder).mkdir()
    (tmp_path / "silence" / "sitecustomize.py").write_text(SILENCE)
    (tmp_path / "passphrase").write_text("correct horse battery staple")
    path = [str(tmp_path / "silence"), *sys.path]
    environment = {"PYTHONPATH": ":".join(filter(None, path)), "ATTUNE_PASSPHRASE_FILE": str(tmp_path / "passphrase")}
    with Processes(tmp_path / "logs", environment | {"XDG_STATE_HOME": str(tmp_path / "state")}) as processes:
        yield processes


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_the_real_programs_give_the_weights_of_one_process(silent_processes, tmp_path, weights_of) -> None:
    webcams = [Webcam(tmp_path, 2000 + number, repeats=1) for number in range(3)]
    for webcam in webcams:
        webcam.film()
    write_manifest(webcams[:1], tmp_path / "benchmark.csv")
    devices = [DemoDevice(tmp_path / f"laptop-{webcam.number}", webcam) for webcam in webcams[1:]]
    folder = run_federation(silent_processes, tmp_path, devices)

    settings, checkpoints = load_settings(folder.settings), Checkpoints(folder.checkpoints)
    before, _ = checkpoints.load(0)
    after, _ = checkpoints.load(ROUNDS)
    clients = [device.sequences(tmp_path / "passphrase") for device in devices]
    plain = policy_in_force(folder, settings).without_noise()
    alone = trained("local", 0, before, clients, plain, len(clients), weights_of)
    assert (alone - weights_of(before)).abs().max() > 1e-3
    torch.testing.assert_close(weights_of(after), alone, rtol=0, atol=1e-5)


def run_federation(processes: Processes, root: Path, devices: list[DemoDevice]) -> FederationFolder:
    """The devices film, agree to train, and take part in every round of a server that then ends."""
    folder = FederationFolder(root / "server")
    entries = {
        "benchmark.data": f"manifest:{root / 'benchmark.csv'}",
        "rounds.rounds": ROUNDS,
        "rounds.min_devices": len(devices),
        "rounds.pause_seconds": 0,
        "policy.participations": ROUNDS,
        "policy.reply_seconds": 0,
    }
    options = [part for name, value in entries.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    processes.call("fl-server", "init", str(folder.root), *options)
    invited = json.loads(processes.call("fl-server", "invite", str(folder.root), "--count", "2", "--json"))
    processes.start("server", "fl-server", "start", str(folder.root))
    wait(processes, lambda: folder.log.exists() and "taking devices on port" in folder.log.read_text())
    for device, invitation in zip(devices, invited["invitations"], strict=True):
        device.enrol(processes, invitation, "fast")
        device.consent(processes, "capture,store")
        device.start(processes)
    wait(processes, lambda: all(device.progress().get("capture") == "ended" for device in devices))
    for device in devices:
        device.consent(processes, "capture,store,train")
    wait(processes, lambda: processes.ended("server"))
    return folder


def wait(processes: Processes, happened) -> None:
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        processes.check()
        if happened():
            return
        threading.Event().wait(0.1)
    raise TimeoutError
