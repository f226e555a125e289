"""The demo's yardstick: the same people and policy without noise, and with other people, over three seeds.

Each seed has its own four people. Their videos go through the client's own capture loop, then the client's own
training and the server's own aggregation run in this process, with noise and without.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event

import numpy as np

from fl_client.capture.loop import CaptureLoop
from fl_client.capture.sources import open_source
from fl_client.labels import LabelScript
from shared_models.data.faces import HaarFinder
from shared_models.data.sequences import Sequences
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.metrics import Metrics
from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import GradientEngine
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from simulations.demo.cast import SCHEME, Webcam
from simulations.engines.local import LocalDevices, LocalEngine

_FPS = 8.0


@dataclass(frozen=True)
class Outcome:
    """Accuracy on the benchmark for one seed's people. `simulated` marks a private run without processes."""

    seed: int
    before: Metrics
    private: Metrics
    without_noise: Metrics
    simulated: bool

    @property
    def gap_closed(self) -> float | None:
        """The share of what training without noise gains that private training gains too; None where it gains 0."""
        gap = self.without_noise.accuracy - self.before.accuracy
        return (self.private.accuracy - self.before.accuracy) / gap if gap else None


@dataclass
class _Memory:
    """Stands where the encrypted store stands on a laptop."""

    frames: list[np.ndarray] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, frames: np.ndarray, label_index: int, label: str, source: str, captured_at: datetime) -> None:
        self.frames.append(frames)
        self.labels.append(label_index)

    def __len__(self) -> int:
        return len(self.frames)


def film_and_capture(webcam: Webcam) -> Sequences:
    """Renders `webcam` unless it exists, and captures it as a laptop would."""
    use_one_core()
    if not webcam.labels.exists():
        webcam.film()
    memory = _Memory()
    with open_source(str(webcam.video), _FPS) as source:
        CaptureLoop(
            source,
            HaarFinder(),
            LabelScript.read(webcam.labels, SCHEME),
            memory,
            SCHEME,
            capacity=10**6,
            paused=lambda: False,
        ).run(Event())
    return as_sequences(memory.frames, memory.labels)


def as_sequences(frames: list[np.ndarray], labels: list[int]) -> Sequences:
    """Captured frames, each (T, 1, H, W) uint8, with their class indices."""
    count = len(frames)
    return Sequences(
        scheme=SCHEME,
        frames=np.stack(frames),
        targets=np.eye(len(SCHEME.classes), dtype=np.float32)[labels],
        subjects=(None,) * count,
        digests=("",) * count,
    )


def film(webcam: Webcam) -> Path:
    """Renders one webcam in a worker process."""
    use_one_core()
    webcam.film()
    return webcam.video


def compare(
    model: EmotionModel,
    policy: Policy,
    clients: list[Sequences],
    rounds: int,
    benchmark: Benchmark,
    seed: int,
    engine: GradientEngine,
    measured: Metrics | None,
) -> Outcome:
    """One seed's outcome; `measured` is the private run's score where real processes ran it."""
    local = LocalEngine(model, LocalDevices(model, clients, engine, seed), seed)
    reference = benchmark.score(local.train(policy.without_noise(), rounds, len(clients)).model)
    private = measured or benchmark.score(local.train(policy, rounds, len(clients)).model)
    return Outcome(seed, benchmark.score(model), private, reference, simulated=measured is None)
