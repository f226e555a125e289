"""What it costs to add up a round: Attune's mean beside Flower's FedAvg, on the same updates in the same run.

An update reaches both as Flower hands it over, one float32 array in the bytes of a NumPy file. Attune takes one at a
time, FedAvg the list of replies that its `aggregate_train` is given. Both decode and add; making the updates is not
counted. Each runs in a process of its own, and memory is the growth of that process's peak over what it held before
the first update.
"""

import logging
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from torch import Tensor

from fl_server.aggregation.mean import Mean
from shared_models.resources import use_one_core
from simulations.bench.memory import in_own_process, peak_growth

_WEIGHTS = "weights"
Progress = Callable[[str, int, int], None]


def bench_aggregation(progress: Progress, clients: int, parameters: int) -> dict[str, float]:
    """CPU seconds and peak MiB of one round of `clients` updates of `parameters` numbers, for Attune and for FedAvg."""
    measured: dict[str, float] = {"clients": clients, "parameters": parameters}
    for number, (prefix, way) in enumerate(_WAYS.items()):
        progress("aggregating", number, len(_WAYS))
        seconds, peak = in_own_process(_measure, way, clients, parameters)
        measured |= {f"{prefix}seconds": round(seconds, 3), f"{prefix}peak_mib": peak}
    progress("aggregating", len(_WAYS), len(_WAYS))
    return measured


class Arriving:
    """Updates that come one at a time. `seconds`: how long they took to make."""

    def __init__(self, clients: int, parameters: int) -> None:
        self._clients, self._parameters = clients, parameters
        self.seconds = 0.0

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for number in range(self._clients):
            began = time.process_time()
            array = _update(number, self._parameters)
            self.seconds += time.process_time() - began
            yield {_WEIGHTS: torch.from_numpy(array.numpy())}


class Reply:
    """A device's message, as far as FedAvg looks at it."""

    def __init__(self, array: Array) -> None:
        arrays, metrics = ArrayRecord({_WEIGHTS: array}), MetricRecord({"num-examples": 1})
        self.content = RecordDict({"arrays": arrays, "metrics": metrics})

    def has_error(self) -> bool:
        return False


def attune(clients: int, parameters: int) -> tuple[np.ndarray, float]:
    """The mean, and the CPU seconds it took."""
    arriving = Arriving(clients, parameters)
    began = time.process_time()
    mean = Mean().combine(arriving, {_WEIGHTS: (parameters,)})
    return mean[_WEIGHTS].numpy(), time.process_time() - began - arriving.seconds


def fedavg(clients: int, parameters: int) -> tuple[np.ndarray, float]:
    """The mean, and the CPU seconds it took."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    replies = [Reply(_update(number, parameters)) for number in range(clients)]
    began = time.process_time()
    arrays, _ = FedAvg().aggregate_train(1, replies)
    seconds = time.process_time() - began
    return arrays[_WEIGHTS].numpy(), seconds


_WAYS = {"": attune, "fedavg_": fedavg}


def _measure(way: Callable[[int, int], tuple[np.ndarray, float]], clients: int, parameters: int) -> tuple[float, float]:
    use_one_core()
    way(2, 2)  # what is loaded on first use is neither time nor memory of a round
    (_, seconds), peak = peak_growth(lambda: way(clients, parameters))
    return seconds, peak


def _update(number: int, parameters: int) -> Array:
    return Array(np.random.default_rng(number).standard_normal(parameters, dtype=np.float32))
