"""What a study of each size and epsilon would score, measured on rendered people: the table `fl-server plan` reads.

`python -m simulations.utility --out FILE` renders one population and takes smaller studies out of it, so that sizes
and epsilons are compared on the same held-out people. Each row is one seed: other people, other noise.
"""

import argparse
import copy
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from fl_client.training import local_update
from fl_server.aggregation import StreamingMean
from fl_server.server import INPUT_SHAPE
from fl_server.settings import PolicySettings
from shared_models.commandline import err, out
from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from shared_models.evaluation.benchmark import Benchmark
from shared_models.files import atomic_write
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.gradients import ENGINES, engine_by_name
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from shared_models.wire import shapes_of
from simulations.populations import Plan, populate

COLUMNS = (
    "data", "model", "scheme", "trainable", "clients", "sequences", "rounds", "steps", "delta", "epsilon", "seed",
    "uar", "accuracy", "uar_before", "uar_without_noise", "uar_chance",
)  # fmt: skip
_MODEL, _SCHEME, _PART = "cnn-lstm", "basic-7", "classifier"
Features = tuple[Tensor, Tensor]
"""Inputs (B, ...) of the trainable part and targets (B, K) of one client."""


class UtilityGrid:
    """One rendered population, and the studies that can be taken out of it."""

    def __init__(self, people: int, sequences: int, rounds: int) -> None:
        self._sequences, self._rounds = sequences, rounds
        self._engine = engine_by_name(ENGINES[0])
        scheme = scheme_by_name(_SCHEME)
        self._model, _, _ = initial_model("starter", _MODEL, _SCHEME, INPUT_SHAPE)
        plan = Plan(clients=str(people), per_client=sequences, alpha=1.0, holdout=0.0, seed=0)
        population = populate(parse_spec("synthetic"), scheme, plan)
        self._clients = [self._features(client.frames, client.targets) for client in population.clients]
        self._benchmark = Benchmark(population.held_out, _PART)
        self._chance = 1 / len(scheme.classes)
        self._before = self._benchmark.score(self._model)

    def row(self, clients: int, epsilon: float, seed: int) -> dict[str, object]:
        """The scores of `clients` of the people, trained privately and without noise."""
        chosen = np.random.default_rng(seed).permutation(len(self._clients))[:clients]
        policy = self._policy(epsilon)
        private = self._benchmark.score(self._train([self._clients[i] for i in chosen], policy, seed))
        reference = self._benchmark.score(self._train([self._clients[i] for i in chosen], policy.without_noise(), seed))
        values = (
            "synthetic", _MODEL, _SCHEME, _PART, clients, self._sequences, self._rounds, policy.steps, policy.delta,
            f"{epsilon:g}", seed, f"{private.uar:.4f}", f"{private.accuracy:.4f}", f"{self._before.uar:.4f}",
            f"{reference.uar:.4f}", f"{self._chance:.4f}",
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))

    def _features(self, frames: np.ndarray, targets: np.ndarray) -> Features:
        named = ((str(row), sequence) for row, sequence in enumerate(frames))
        return FeatureCache().inputs(self._model, _PART, named, 1), torch.from_numpy(targets)

    def _policy(self, epsilon: float) -> Policy:
        settings = PolicySettings(
            epsilon=epsilon, participations=self._rounds, max_sequences=self._sequences, reply_seconds=0.0
        )
        return settings.calibrated(_MODEL, _SCHEME, _PART)

    def _train(self, clients: Sequence[Features], policy: Policy, seed: int) -> EmotionModel:
        model = copy.deepcopy(self._model)
        for round_ in range(1, self._rounds + 1):
            mean = StreamingMean(shapes_of(model.trainable(_PART)))
            for number, (inputs, targets) in enumerate(clients):
                noise = NoiseSource.from_seed(seed, round_, number)
                mean.add(local_update(copy.deepcopy(model), policy, inputs, targets, noise, self._engine))
            model.add(mean.result())
        return model


def write_utility(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Raises StorageError where `path` cannot be written."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(path, text.getvalue().encode(), 0o644)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulations.utility", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("utility.csv"))
    parser.add_argument("--clients", type=int, nargs="+", default=[2, 5, 10, 20, 50, 100])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sequences", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    use_one_core()
    with err.status(f"Rendering {max(options.clients)} people"):
        grid = UtilityGrid(max(options.clients), options.sequences, options.rounds)
    studies = [(n, e, s) for n in options.clients for e in options.epsilons for s in range(options.seeds)]
    rows = [grid.row(*study) for study in track(studies, "Training", console=err)]
    write_utility(options.out, rows)
    out.print(f"The table is in {options.out}", soft_wrap=True)


if __name__ == "__main__":
    main()
