"""The training loop of one stage, which can stop after any step and go on in another process.

Everything random in step n follows from the seed, the stage and n: where training stopped, weights, their running
mean, the optimizer and the number of the step are the whole state.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fl_server.pretraining.recipe import Loss

_RISE = 0.2
_LOWEST = 1e-3


@dataclass(frozen=True)
class Stage:
    """What one stage of pretraining trains, on how many examples, for how long.

    batch: (index (B,), share of the steps done, generator) -> inputs and targets of these examples
    """

    name: str
    number: int
    network: nn.Module
    examples: int
    epochs: int
    batch_size: int
    peak_rate: float
    batch: Callable[[Tensor, float, torch.Generator], tuple[Tensor, Tensor]]
    loss: Loss
    bfloat16: bool = False

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_an_epoch

    @property
    def steps_an_epoch(self) -> int:
        return -(-self.examples // self.batch_size)


class Fit:
    """Trains a stage's network with AdamW, one cycle of the learning rate and a running mean of the weights."""

    def __init__(self, stage: Stage, weight_decay: float, average_decay: float, seed: int) -> None:
        self.stage, self.step = stage, 0
        self._average_decay, self._seed = average_decay, seed
        self._average = copy.deepcopy(stage.network)
        self._optimizer = torch.optim.AdamW(stage.network.parameters(), stage.peak_rate, weight_decay=weight_decay)

    def run(self, after_step: Callable[[], None]) -> None:
        """Takes the steps that are left, then puts the running mean of the weights in their place."""
        self.stage.network.train()
        while self.step < self.stage.steps:
            self._take_step()
            self.step += 1
            after_step()
        self.stage.network.load_state_dict(self._average.state_dict())
        self.stage.network.eval()

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on after the last step."""
        return {
            "step": self.step,
            "network": self.stage.network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.stage.network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _take_step(self) -> None:
        share = self.step / self.stage.steps
        for group in self._optimizer.param_groups:
            group["lr"] = self.stage.peak_rate * one_cycle(share)
        torch.manual_seed(self._seed_of(self.step, "dropout"))
        draws = torch.Generator().manual_seed(self._seed_of(self.step, "batch"))
        inputs, targets = self.stage.batch(self._index(), share, draws)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.stage.bfloat16):
            logits = self.stage.network(inputs)
        loss = self.stage.loss(logits.float(), targets)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._average_in()

    def _index(self) -> Tensor:
        """The examples of this step: each epoch goes through all of them in an order of its own."""
        epoch, place = divmod(self.step, self.stage.steps_an_epoch)
        order = torch.randperm(
            self.stage.examples, generator=torch.Generator().manual_seed(self._seed_of(epoch, "order"))
        )
        return order[place * self.stage.batch_size :][: self.stage.batch_size]

    def _average_in(self) -> None:
        decay = min(self._average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(self._average.parameters(), self.stage.network.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)

    def _seed_of(self, number: int, use: str) -> int:
        words = [self._seed % 2**32, self.stage.number, number, *use.encode()]
        return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def one_cycle(share: float) -> float:
    """The learning rate as a share of its peak: up for a fifth of the steps, down for the rest, both along a cosine.

    Smith and Topin 2018, arXiv 1708.07120.
    """
    height = share / _RISE if share < _RISE else (1 - share) / (1 - _RISE)
    return _LOWEST + (1 - _LOWEST) * (1 - math.cos(math.pi * height)) / 2
