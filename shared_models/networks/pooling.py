"""Pooling over time."""

import torch
from torch import Tensor, nn


class MeanPooling(nn.Module):
    """The plain mean over time."""

    def weights(self, states: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, 1), the same for each step."""
        return torch.full_like(states[..., :1], 1 / states.shape[1])

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, D) -> (B, D)."""
        return states.mean(dim=1)


class AttentionPooling(nn.Module):
    """A learnt weighted mean over time: softmax of one score a step (Bahdanau et al. 2015, section 3.1)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.score = nn.Linear(inputs, 1)

    def weights(self, states: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, 1), summing to 1 over time."""
        return torch.softmax(self.score(states), dim=1)

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, D) -> (B, D)."""
        return (self.weights(states) * states).sum(dim=1)

    def step(self, state: Tensor, top: Tensor, total: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The running form: `total / weight` is what `forward` makes of all states so far.

        state: (S, D), the newest; top (S, 1), total (S, D), weight (S, 1): what came before, zeros where nothing did.
        The sums are kept relative to exp(top), the largest score so far, so that no exponential overflows (Milakov
        and Gimelshein 2018, "Online normalizer calculation for softmax", algorithm 3).
        """
        score = self.score(state)
        top = torch.where(weight > 0, top, score)
        highest = torch.maximum(top, score)
        kept, share = torch.exp(top - highest), torch.exp(score - highest)
        return highest, kept * total + share * state, kept * weight + share
