"""Building blocks: residual GroupNorm encoder for one frame, pooling over time."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared_models.networks.frames import FrameEncoder

_GROUPS = 8


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with GroupNorm and a projected shortcut; the first halves the resolution by `stride`.

    GroupNorm, not BatchNorm: a batch statistic would mix sequences, and no per-sequence gradient would exist.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(_GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(_GROUPS, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class CompactEncoder(FrameEncoder):
    """A small residual GroupNorm network for one gray face crop, 0.43M parameters, 128 features."""

    features, stride = 128, 8

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 32, 3, 1, 1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, 32)
        self.halve = nn.MaxPool2d(2)
        self.blocks = nn.Sequential(
            ResidualBlock(32, 48, 1), ResidualBlock(48, 96, 2), ResidualBlock(96, self.features, 2)
        )

    def maps(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1] -> (N, 128, H / 8, W / 8)."""
        y = self.halve(F.relu(self.norm(self.stem(x - 0.5))))
        maps: Tensor = self.blocks(y)
        return maps


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
