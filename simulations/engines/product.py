"""The product's own server and devices, without their network, in Flower's simulation runtime."""

import copy
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fl_server.app import server_app
from fl_server.checkpoint import Checkpoints
from fl_server.enrolment.registry import Device
from fl_server.federation import Federation
from fl_server.folder import FederationFolder
from fl_server.round_summary import RoundSummary
from fl_server.settings import AggregationSettings, RoundSettings, ServerSettings, Settings, StudySettings
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import INPUT_SHAPE, Sequences
from shared_models.errors import RoundError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.policy import Policy
from simulations.engines.flower import FlowerRuntime
from simulations.engines.laptops import Laptops
from simulations.federation import Conduct, Progress, Trained, Turns

_STUDY = "simulation"
_PORT = 1  # of settings that nothing listens by
_DEADLINE_SECONDS = 24 * 3600.0
_SILENT_NOISE_MULTIPLIER = 1e6


class FlowerEngine:
    """See `Engine`. Each run has a federation of its own, in a temporary folder."""

    def __init__(
        self,
        model: EmotionModel,
        clients: Sequence[Sequences],
        seed: int,
        gradients: str,
        workers: int,
        conduct: Conduct = Conduct(),
    ) -> None:
        self._model, self._clients, self._seed = model, clients, seed
        self._gradients, self._workers, self._conduct = gradients, workers, conduct

    def train(self, policy: Policy, rounds: int, cohort: int, progress: Progress = lambda done, total: None) -> Trained:
        with TemporaryDirectory(prefix="attune-simulation-") as scratch:
            return self._train(Path(scratch), policy, rounds, cohort, progress)

    def _train(self, scratch: Path, policy: Policy, rounds: int, cohort: int, progress: Progress) -> Trained:
        folder, key, given = (
            FederationFolder(scratch / "server"),
            Ed25519PrivateKey.generate(),
            _given_to_devices(policy),
        )
        folder.create()
        laptops = Laptops(
            root=scratch / "laptops",
            study=_STUDY,
            policy=given,
            server_key=key.public_key().public_bytes_raw().hex(),
            gradients=self._gradients,
            seed=self._seed,
            silent=policy.unit == "none",
        )
        runtime = FlowerRuntime(len(self._clients))
        turns = Turns(len(self._clients), cohort, policy, self._seed, self._conduct.availability)
        cohorts = _Cohorts(turns, self._clients, laptops, runtime.nodes)

        def announce(summary: RoundSummary) -> None:
            _check(summary)
            progress(summary.round, rounds)

        federation = Federation(
            folder,
            _settings(len(self._clients), self._conduct.aggregation),
            given,
            Ledger(folder.ledger, key),
            key,
            _blank_benchmark(given),
            threading.Event(),
            announce,
            _no_waiting,
            lambda phase: None,
        )
        federation.begin(lambda: (copy.deepcopy(self._model), _header(given)))
        runtime.run(server_app(federation, lambda: cohorts.of(_next_round(folder)), rounds), laptops, self._workers)
        model, _ = Checkpoints(folder.checkpoints).load(rounds)
        return Trained(model, cohorts.turns.most)


class _Cohorts:
    """The devices that answer in a round, as the server's `eligible` names them: it then samples all of them."""

    def __init__(self, turns: Turns, clients: Sequence[Sequences], laptops: Laptops, nodes: Sequence[int]) -> None:
        self.turns = turns
        self._clients, self._laptops, self._nodes = clients, laptops, nodes
        self._round, self._devices = 0, dict[int, Device]()

    def of(self, round_: int) -> dict[int, Device]:
        if round_ != self._round:
            chosen = self.turns.take(round_)
            for number in chosen:
                self._laptops.fill(number, self._clients[number])
            self._round = round_
            self._devices = {self._nodes[number]: self._laptops.registered(number) for number in chosen}
        return self._devices


def _given_to_devices(policy: Policy) -> Policy:
    """The policy itself; where it has no noise, one with noise, which silent laptops then draw as zeros.

    The product cannot train without noise: no ledger entry says so.
    """
    if policy.unit != "none":
        return policy
    noise = {"unit": "sequence", "noise_multiplier": _SILENT_NOISE_MULTIPLIER}
    return Policy.model_validate(policy.model_dump() | noise)


def _next_round(folder: FederationFolder) -> int:
    return Checkpoints(folder.checkpoints).rounds()[-1] + 1


def _settings(devices: int, aggregation: AggregationSettings) -> Settings:
    return Settings(
        study=StudySettings(id=_STUDY, title=_STUDY, controller="nobody", contact="nobody", consent_text=_STUDY),
        server=ServerSettings(fleet_port=_PORT, enrolment_port=_PORT),
        rounds=RoundSettings(
            min_devices=1, cohort=devices, deadline_seconds=_DEADLINE_SECONDS, close_at=1.0, pause_seconds=0
        ),
        aggregation=aggregation,
    )


def _header(policy: Policy) -> WeightsHeader:
    return WeightsHeader(model=policy.model, scheme=policy.scheme, input_shape=INPUT_SHAPE, training_data=_STUDY)


def _blank_benchmark(policy: Policy) -> Benchmark:
    """The server scores every round; a simulation is scored by whoever asked for it, before and after."""
    scheme = scheme_by_name(policy.scheme)
    targets = np.eye(len(scheme.classes), dtype=np.float32)[:1]
    frames = np.zeros((1, *INPUT_SHAPE), np.uint8)
    return Benchmark(Sequences(scheme, frames, targets, (None,), ("",)), policy.trainable)


def _check(summary: RoundSummary) -> None:
    if summary.state == "failed" or summary.rejected:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in summary.rejected.items())
        raise RoundError(f"Round {summary.round} of the simulation lost updates", why=reasons)


def _no_waiting(text: str) -> None:
    """What the server says where too few devices may take part: in a simulation no more will come."""
    raise RoundError("The simulation cannot go on", why=text, fix="Take more clients, a larger cohort or fewer rounds")
