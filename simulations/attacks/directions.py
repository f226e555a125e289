"""Where in an upload the auditor looks for each sequence, by gradients of the auditor's own.

None of this uses the product's gradient engines: what is audited must not also be the measure.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from shared_models.networks.model import EmotionModel

_RIDGE = 1e-6
"""Keeps directions finite where two sequences' gradients are all but parallel."""


def sequence_gradients(model: EmotionModel, part: str, inputs: Tensor, targets: Tensor) -> Tensor:
    """(B, d) float32: the gradient of each sequence's mean loss over views, by one backward pass each.

    inputs: (B, V, ...) of the first stage that training `part` changes; targets: (B, K)
    """
    parameters = list(model.freeze_all_but(part).values())
    stage = model.first_trainable_stage(part)
    rows = []
    for views, target in zip(inputs, targets, strict=True):
        loss = F.cross_entropy(model.run_from(stage, views), target.expand(len(views), -1))
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
    return torch.stack(rows)


class Directions:
    """Unit directions, one for each sequence, each at right angles to the gradients of all the others.

    A projection onto one hears that sequence alone, to first order, wherever the others' gradients point.
    """

    def __init__(self, gradients: Tensor) -> None:
        """gradients: (n, d), n well below d"""
        self._unit = F.normalize(gradients, dim=1)
        gram = (self._unit @ self._unit.T).double()
        self._inverse = torch.linalg.inv(gram + _RIDGE * torch.eye(len(gram), dtype=torch.float64))

    def project(self, total: Tensor) -> Tensor:
        """(d,) -> (n,) float64: the component of `total` along each direction."""
        met = self._inverse @ (self._unit @ total).double()
        return met / self._inverse.diagonal().sqrt()

    def residual(self, total: Tensor) -> Tensor:
        """(d,) -> (d,): what is left of `total` without anything that any of the gradients explains."""
        met = self._inverse @ (self._unit @ total).double()
        return total - self._unit.T @ met.float()
