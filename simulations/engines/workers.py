"""Devices shared out over worker processes: device n trains in worker n % workers, which keeps its features.

The global weights lie in memory that all processes share, and so do the few places where a worker puts its updates.
Pipes carry a worker's clients once, then a round's policy and numbers, and one number for each update.
"""

import copy
import math
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import torch
from torch import Tensor
from torch.multiprocessing import get_context

from fl_client.training import Update
from shared_models.data.sequences import Sequences
from shared_models.errors import RoundError
from shared_models.networks.model import EmotionModel
from shared_models.privacy.gradients import GradientEngine
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from simulations.engines.local import Clients, LocalDevices

_PLACES = 4
"""Updates that a worker may be ahead of what was taken from it."""
_LIVES = 2
_spawn = get_context("spawn")


class WorkerDevices:
    """See `Devices`. A worker that dies is started again, once for each device; what a seed gives stays the same."""

    def __init__(
        self, model: EmotionModel, clients: Sequence[Sequences], gradients: GradientEngine, seed: int, workers: int
    ) -> None:
        self._model = copy.deepcopy(model).share_memory()
        self._count, workers = len(clients), min(workers, len(clients))
        self._workers = [
            _Worker(self._model, _share(clients, place, workers), gradients, seed) for place in range(workers)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers:
            worker.close()

    def __len__(self) -> int:
        return self._count

    def updates(self, model: EmotionModel, policy: Policy, round_: int, numbers: Sequence[int]) -> Iterator[Update]:
        """Raises RoundError where a worker dies twice on one device, and whatever training raises there."""
        self._model.load_state_dict(model.state_dict())
        for place, worker in enumerate(self._workers):
            worker.ask(policy, round_, [number for number in numbers if number % len(self._workers) == place])
        for number in numbers:
            yield self._workers[number % len(self._workers)].take()


class _Worker:
    """One process, seen from the simulation."""

    def __init__(self, model: EmotionModel, clients: Clients, gradients: GradientEngine, seed: int) -> None:
        size = sum(parameter.numel() for parameter in model.parameters())
        self._model, self._places = model, torch.empty(_PLACES, size).share_memory_()
        self._recipe, self._open = (clients, gradients, seed), list[int]()
        self._start()

    def ask(self, policy: Policy, round_: int, numbers: list[int]) -> None:
        self._policy, self._round, self._open = policy, round_, numbers
        with suppress(OSError):  # `take` finds out
            self._pipe.send((policy, round_, numbers))

    def take(self) -> Update:
        """The update of the next device that was asked for."""
        answer = self._answer()
        if isinstance(answer, Exception):
            raise answer
        update = _split(self._places[answer].clone(), self._model, self._policy.trainable)
        self._open = self._open[1:]
        with suppress(OSError):
            self._pipe.send(None)  # the place is free again
        return update

    def _answer(self) -> int | Exception:
        for life in range(_LIVES):
            if life > 0:
                self._start()
                self.ask(self._policy, self._round, self._open)
            with suppress(EOFError, OSError):
                answer: int | Exception = self._pipe.recv()
                return answer
            self._process.join()
            self._pipe.close()
        raise RoundError(
            f"A worker process of the simulation died {_LIVES} times on device {self._open[0]}",
            why=f"its exit code is {self._process.exitcode}; -9 often means that memory ran out",
            fix="Take fewer --workers, or fewer sequences for each device",
        )

    def close(self) -> None:
        self._pipe.close()
        self._process.kill()  # it has nothing to tidy up
        self._process.join()

    def _start(self) -> None:
        self._pipe, theirs = _spawn.Pipe()
        arguments = theirs, self._model, self._places, *self._recipe
        self._process = _spawn.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        theirs.close()


def _work(
    pipe: Connection,
    model: EmotionModel,
    places: Tensor,
    clients: Clients,
    gradients: GradientEngine,
    seed: int,
) -> None:
    """A worker's life: until the simulation's end of `pipe` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the simulation decides when to end
    use_one_core()
    devices = LocalDevices(model, clients, gradients, seed)
    with suppress(EOFError, OSError):
        while True:
            policy, round_, numbers = pipe.recv()
            for count, update in enumerate(_told(pipe, devices.updates(model, policy, round_, numbers))):
                if count >= _PLACES:
                    pipe.recv()
                flat = torch.cat([change.flatten() for change in update.values()])
                places[count % _PLACES, : len(flat)] = flat
                pipe.send(count % _PLACES)
            for _ in numbers[:_PLACES]:
                pipe.recv()


def _told(pipe: Connection, updates: Iterator[Update]) -> Iterator[Update]:
    """`updates`; an error on the way goes to the simulation, and they end."""
    try:
        yield from updates
    except Exception as error:
        pipe.send(error)


def _split(flat: Tensor, model: EmotionModel, part: str) -> Update:
    shapes = {name: parameter.shape for name, parameter in model.trainable(part).items()}
    pieces = flat[: sum(map(math.prod, shapes.values()))].split([math.prod(shape) for shape in shapes.values()])
    return {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}


def _share(clients: Sequence[Sequences], place: int, workers: int) -> Clients:
    """What the worker at `place` needs of `clients`: its part of a list; whole, what makes clients when asked."""
    return {n: clients[n] for n in range(place, len(clients), workers)} if isinstance(clients, list) else clients
