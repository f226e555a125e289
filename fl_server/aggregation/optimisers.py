"""How the model follows the combined change of a round, chosen in `[aggregation]`.

Claims. An optimiser sees the combined change and what it made of those before, and nothing else of any device: what it
does is post-processing of noised updates. The claims stand for both units, whatever the optimiser and its numbers.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from fl_server.settings import AggregationSettings

OptimiserState = dict[str, Tensor]
"""What an optimiser remembers, by `optimiser/quantity/weight`; empty before the first round."""


class ServerOptimiser(Protocol):
    """A pure function from a round's change and the state before it to the model's step and the state after it."""

    def step(
        self, change: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], OptimiserState]:
        """What to add to the model, by name, and the state to keep with that model; neither argument is changed.

        State of another optimiser is left out, so that a changed setting starts anew.
        """


class FedAvg:
    """The change itself, times the server's learning rate (McMahan et al. 2017). Claims stand: post-processing."""

    def __init__(self, learning_rate: float) -> None:
        self._rate = learning_rate

    def step(
        self, change: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], OptimiserState]:
        return {name: self._rate * value for name, value in change.items()}, {}


class FedAvgM:
    """Momentum over rounds: v <- beta v + change, step = rate * v (Hsu et al. 2019, section 4.3).

    Claims stand: post-processing. The noise of earlier rounds is added again with each step, as their signal is.
    """

    def __init__(self, learning_rate: float, momentum: float) -> None:
        self._rate, self._momentum = learning_rate, momentum

    def step(
        self, change: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], OptimiserState]:
        step, after = dict[str, Tensor](), OptimiserState()
        for name, value in change.items():
            key = f"fedavgm/momentum/{name}"
            after[key] = self._momentum * state.get(key, torch.zeros_like(value)) + value
            step[name] = self._rate * after[key]
        return step, after


class FedAdam:
    """Adam over rounds (Reddi et al. 2021, algorithm 2, without bias correction, as there).

    m <- beta1 m + (1 - beta1) change, v <- beta2 v + (1 - beta2) change^2, step = rate * m / (sqrt(v) + tau), where m
    starts at 0 and v at tau^2. Claims stand: post-processing. Every coordinate moves about as far as any other, so
    where the noise exceeds the signal of most coordinates, most of a step is noise.
    """

    def __init__(self, learning_rate: float, beta1: float, beta2: float, tau: float) -> None:
        self._rate, self._beta1, self._beta2, self._tau = learning_rate, beta1, beta2, tau

    def step(
        self, change: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], OptimiserState]:
        step, after = dict[str, Tensor](), OptimiserState()
        for name, value in change.items():
            first, second = f"fedadam/momentum/{name}", f"fedadam/variance/{name}"
            m = state.get(first, torch.zeros_like(value))
            v = state.get(second, torch.full_like(value, self._tau**2))
            after[first] = self._beta1 * m + (1 - self._beta1) * value
            after[second] = self._beta2 * v + (1 - self._beta2) * value.square()
            step[name] = self._rate * after[first] / (after[second].sqrt() + self._tau)
        return step, after


def optimiser_by_settings(settings: AggregationSettings) -> ServerOptimiser:
    if settings.optimiser == "fedadam":
        return FedAdam(settings.server_learning_rate, settings.server_momentum, settings.beta2, settings.tau)
    if settings.optimiser == "fedavgm":
        return FedAvgM(settings.server_learning_rate, settings.server_momentum)
    return FedAvg(settings.server_learning_rate)
