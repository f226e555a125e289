"""The classifier forward and backward, written out."""

import torch
from torch import Tensor, nn

from shared_models.networks.layers import AttentionPooling, MeanPooling
from shared_models.networks.outputs import Output


class ClassifierPass:
    """Pooling over time, a linear layer, and the loss of the model's output averaged over views.

    The plain mean is attention whose scores are zero and stay zero. Gradients are small enough to be held for each
    sequence.
    """

    def __init__(
        self,
        pool: AttentionPooling | MeanPooling,
        linear: nn.Linear,
        output: Output,
        states: Tensor,
        targets: Tensor,
    ) -> None:
        """states: (T, V, B, H); targets: (B, K)"""
        self._states = states
        weight, score = linear.weight.detach(), states.new_zeros(states.shape[-1])
        if isinstance(pool, AttentionPooling):
            score = pool.score.weight.detach()[0]
        attention = torch.softmax(states @ score, dim=0)
        pooled = torch.einsum("tvb,tvbh->vbh", attention, states)
        logits = torch.addmm(linear.bias.detach(), pooled.flatten(0, 1), weight.T).unflatten(0, pooled.shape[:2])
        d_logits = (output.read(logits) - targets) / len(pooled)
        self._d_pooled, self._attention, self._score = d_logits @ weight, attention, score
        d_attention = torch.einsum("tvbh,vbh->tvb", states, self._d_pooled)
        self._d_scores = attention * (d_attention - (attention * d_attention).sum(0))
        self.gradients = {
            "linear.weight": torch.einsum("vbk,vbh->bkh", d_logits, pooled),
            "linear.bias": d_logits.sum(0),
        }
        """By name, the gradient of each sequence, (B, ...)."""
        if isinstance(pool, AttentionPooling):
            self.gradients["pool.score.weight"] = torch.einsum("tvb,tvbh->bh", self._d_scores, states)[:, None]
            self.gradients["pool.score.bias"] = self._d_scores.sum((0, 1))[:, None]

    def squared_norms(self) -> Tensor:
        """(B,)"""
        return torch.stack([g.flatten(1).square().sum(1) for g in self.gradients.values()]).sum(0)

    def weighted_sum(self, weights: Tensor) -> dict[str, Tensor]:
        """The sum over sequences of their gradients times `weights` (B,)."""
        return {name: torch.tensordot(weights, g, dims=1) for name, g in self.gradients.items()}

    def d_states(self) -> Tensor:
        """(T, V, B, H)"""
        through_scores = self._d_scores[..., None] * self._score
        return through_scores.addcmul_(self._attention[..., None], self._d_pooled)
