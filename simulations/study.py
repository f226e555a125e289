"""A whole study in one process that leaves what a real one leaves: keys, ledgers, signed entries, checkpoints.

`python -m simulations.study --out DIR` trains on rendered people; `fl-server report DIR` and `verify` then work on DIR
as on any federation's folder. Its noise comes from a seed, so every entry names its engine as simulated, and the
report's claims have the status `simulated`.
"""

import argparse
import copy
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.progress import track

from fl_server.aggregation import StreamingMean
from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.round_summary import RoundSummary, scores_of
from fl_server.settings import load_settings
from fl_server.setup import create_federation
from fl_server.verify.evidence import SIMULATED
from fl_server.verify.lines import as_lines
from shared_models.commandline import err, out
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.data.sources import parse_spec
from shared_models.evaluation.benchmark import Benchmark
from shared_models.files import append_line
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import WeightsHeader, weights_hash
from shared_models.privacy.events import Intent, Released, RoundClosed
from shared_models.privacy.gradients import ENGINES, engine_by_name
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from shared_models.wire import shapes_of
from simulations.engines.local import LocalDevices
from simulations.federation import Turns
from simulations.populations import Plan, populate

_DAY_SECONDS = 24 * 3600


class PaperStudy:
    """Writes a federation's record: what its server and its devices would have signed, round after round."""

    def __init__(self, folder: FederationFolder) -> None:
        self.folder, self.settings = folder, load_settings(folder.settings)
        self.policy: Policy = self.settings.privacy_policy()
        self.devices: dict[str, Ledger] = {}
        self._server = Ledger(folder.ledger, load_signing_key(folder))
        self._checkpoints = Checkpoints(folder.checkpoints)
        folder.device_ledgers.mkdir(mode=0o700, exist_ok=True)

    def enrol(self, count: int) -> None:
        """`count` more devices, each with keys of its own."""
        registry = Registry(self.folder.enrolment)
        for _ in range(count):
            secret, _ = registry.invite(_DAY_SECONDS)
            key = Ed25519PrivateKey.generate()
            device = registry.enrol(secret, secrets.token_bytes(32), key.public_key().public_bytes_raw())
            if device is None:
                raise RuntimeError("a fresh invitation was refused")
            self.devices[device.pseudonym] = Ledger(self.folder.device_ledgers / f"{device.pseudonym}.jsonl", key)

    def begin(self, model: EmotionModel, header: WeightsHeader, metrics: dict[str, Any]) -> None:
        """The checkpoint of round 0."""
        self._header = header
        self._checkpoints.save(0, model, header, metrics, self._server.head)
        self._summarise(0, 0, metrics, 0.0)

    def close_round(
        self, round_: int, before: str, model: EmotionModel, updates: Mapping[str, str], metrics: dict[str, Any]
    ) -> None:
        """before: hash of the model that devices trained on; updates: hash of each device's update, by pseudonym"""
        began, debits = time.monotonic(), {}
        for device, update in updates.items():
            intent = self.devices[device].append(self._intent(device, round_, before, update))
            append_line(self.folder.intents, as_lines([intent]).rstrip(b"\n"))
            debits[device] = intent.hash
        self._server.append(
            RoundClosed(
                study=self.settings.study.id,
                round=round_,
                policy_hash=self.policy.hash,
                model_before=before,
                model_after=weights_hash(model.state_dict()),
                debits=debits,
                rejected={},
            )
        )
        self._checkpoints.save(round_, model, self._header, metrics, self._server.head)
        for device in updates:
            self.devices[device].append(Released(nonce=self.devices[device].intents[-1].nonce))
        self._summarise(round_, len(updates), metrics, time.monotonic() - began)

    def _summarise(self, round_: int, updates: int, metrics: dict[str, Any], seconds: float) -> None:
        most = max((len(ledger.intents) for ledger in self.devices.values()), default=0)
        summary = RoundSummary(
            round=round_,
            state="checkpointed" if round_ else "start",
            online=len(self.devices),
            asked=updates,
            accepted=updates,
            rejected={},
            **scores_of(metrics),
            epsilon=self.policy.epsilon_after(most) if most else 0.0,
            seconds=round(seconds, 2),
        )
        append_line(self.folder.rounds, summary.model_dump_json().encode())

    def _intent(self, device: str, round_: int, model: str, update: str) -> Intent:
        return Intent(
            study=self.settings.study.id,
            device=device,
            round=round_,
            nonce=secrets.token_hex(16),
            model_hash=model,
            policy_hash=self.policy.hash,
            mechanisms=self.policy.mechanisms,
            engine=f"{SIMULATED} {ENGINES[0]}",
            update_hash=update,
        )


def run_study(folder: FederationFolder, devices: int, rounds: int, per_device: int, seed: int) -> None:
    """Trains on rendered people and writes the record. Each round takes as many devices as keep all below their cap."""
    settings = load_settings(folder.settings)
    scheme, part = scheme_by_name(settings.model.scheme), settings.model.trainable
    model, header, _ = initial_model(settings.model.initial, settings.model.name, scheme.name, INPUT_SHAPE)
    with err.status(f"Rendering {devices} people"):
        plan = Plan(clients=str(devices), per_client=per_device, alpha=1.0, holdout=0.0, seed=seed)
        population = populate(parse_spec("synthetic"), scheme, plan)
    benchmark, study = Benchmark(population.held_out, part), PaperStudy(folder)
    study.enrol(devices)
    study.begin(model, header, benchmark.score(model).to_dict())
    simulated = LocalDevices(model, population.clients, engine_by_name(ENGINES[0]), seed)
    cohort = max(study.policy.min_survivors, devices * study.policy.lifetime_rounds // rounds)
    turns, names = Turns(devices, cohort, study.policy, seed), list(study.devices)
    for round_ in track(range(1, rounds + 1), "Training", console=err):
        chosen, hashes = turns.take(round_), dict[str, str]()
        before = weights_hash(model.state_dict())
        mean = StreamingMean(shapes_of(model.trainable(part)))
        for number, update in zip(chosen, simulated.updates(model, study.policy, round_, chosen), strict=True):
            mean.add(update)
            hashes[names[number]] = weights_hash(update)
        model = copy.deepcopy(model)
        model.add(mean.result())
        study.close_round(round_, before, model, hashes, benchmark.score(model).to_dict())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulations.study", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--per-device", type=int, default=28, help="sequences of each device")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    use_one_core()
    shutil.rmtree(options.out, ignore_errors=True)
    title = f"A simulated study of {options.devices} devices over {options.rounds} rounds"
    study: dict[str, object] = {"id": "simulated-study", "title": title, "controller": "nobody"}
    create_federation(options.out, {"study": study, "rounds": {"rounds": options.rounds}})
    run_study(FederationFolder(options.out), options.devices, options.rounds, options.per_device, options.seed)
    out.print(f"The study is in {options.out}: try `fl-server report {options.out} --format pdf`", soft_wrap=True)


if __name__ == "__main__":
    main()
