"""The classifier forward and backward, written out."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared_models.networks.outputs import Output
from shared_models.networks.pooling import AttentionPooling, MeanPooling


class ClassifierPass:
    """Pooling over time, a linear layer, and the loss of the model's output averaged over views.

    The plain mean is attention whose scores are zero and stay zero. Gradients are small enough to be held for each
    sequence. A sequence is one block of memory, so that sums over time are batched matrix products; over time-major
    states the same sums take several times as long.
    """

    def __init__(
        self,
        pool: AttentionPooling | MeanPooling,
        linear: nn.Linear,
        output: Output,
        states: Tensor,
        targets: Tensor,
    ) -> None:
        """states: (B, V, T, H); targets: (B, K)"""
        weight, score = linear.weight.detach(), states.new_zeros(states.shape[-1])
        if isinstance(pool, AttentionPooling):
            score = pool.score.weight.detach()[0]
        attention = torch.softmax(states @ score, -1)
        pooled = (attention[:, :, None] @ states)[:, :, 0]
        logits = F.linear(pooled, weight, linear.bias.detach())
        d_logits = (output.read(logits) - targets[:, None]) / states.shape[1]
        self._d_pooled, self._attention, self._score = d_logits @ weight, attention, score
        d_attention = (self._d_pooled[:, :, None] @ states.mT)[:, :, 0]
        self._d_scores = attention * (d_attention - (attention * d_attention).sum(-1, keepdim=True))
        self.gradients = {
            "linear.weight": d_logits.mT @ pooled,
            "linear.bias": d_logits.sum(1),
        }
        """By name, the gradient of each sequence, (B, ...)."""
        if isinstance(pool, AttentionPooling):
            self.gradients["pool.score.weight"] = self._d_scores.flatten(1)[:, None] @ states.flatten(1, 2)
            self.gradients["pool.score.bias"] = self._d_scores.sum((1, 2))[:, None]

    def squared_norms(self) -> Tensor:
        """(B,)"""
        return torch.stack([g.flatten(1).square().sum(1) for g in self.gradients.values()]).sum(0)

    def weighted_sum(self, weights: Tensor) -> dict[str, Tensor]:
        """The sum over sequences of their gradients times `weights` (B,)."""
        return {name: torch.tensordot(weights, g, dims=1) for name, g in self.gradients.items()}

    def d_states(self) -> Tensor:
        """(B, V, T, H)"""
        through_scores = self._d_scores[..., None] * self._score
        return through_scores.addcmul_(self._attention[..., None], self._d_pooled[:, :, None])
