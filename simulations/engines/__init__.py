"""Ways to run a simulated federation. With one seed they give the same weights."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from shared_models.data.sequences import Sequences
from shared_models.errors import UsageError
from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.policy import Policy
from simulations.federation import Conduct, Progress, Trained

ENGINES = ("local", "flower")


class Engine(Protocol):
    """Devices that are ready to train from one model, as often as asked."""

    def train(self, policy: Policy, rounds: int, cohort: int, progress: Progress) -> Trained:
        """`rounds` rounds of `cohort` devices each. Raises RoundError where a round cannot be completed."""


def require_engine(name: str) -> None:
    """Raises UsageError where there is no such engine, or what it runs on is not installed."""
    if name not in ENGINES:
        raise UsageError(f"There is no engine '{name}'", fix=f"Use one of: {', '.join(ENGINES)}")
    if name == "flower" and importlib.util.find_spec("ray") is None:
        raise UsageError(
            "The flower engine needs Ray, which is not installed",
            fix='Install it with `pip install "attune[cluster]"`, or use `--engine local`',
        )


@contextmanager
def open_engine(
    name: str,
    model: EmotionModel,
    clients: Sequence[Sequences],
    seed: int,
    gradients: str,
    workers: int,
    conduct: Conduct = Conduct(),
) -> Iterator[Engine]:
    """An engine whose device n holds `clients[n]`, and which starts from `model`; its processes end with the block.

    gradients: the engine of per-sequence gradients
    workers:   processes that train devices; below 2, `local` trains in this process

    Raises what `require_engine` raises.
    """
    require_engine(name)
    if name == "flower":
        from simulations.engines.product import FlowerEngine

        yield FlowerEngine(model, clients, seed, gradients, max(workers, 1), conduct)
        return
    from simulations.engines.local import LocalDevices, LocalEngine

    if workers < 2:
        yield LocalEngine(model, LocalDevices(model, clients, engine_by_name(gradients), seed), seed, conduct)
        return
    from simulations.engines.workers import WorkerDevices

    with WorkerDevices(model, clients, engine_by_name(gradients), seed, workers) as devices:
        yield LocalEngine(model, devices, seed, conduct)
