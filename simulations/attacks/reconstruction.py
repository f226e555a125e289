"""From one upload back to a face: a search for the picture whose gradient points the way the upload does."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from shared_models.networks.model import EmotionModel
from simulations.attacks.eigenfaces import Eigenfaces

_STEP = 0.1
_PRIOR_WEIGHT = 0.01
_LINEAR = "classifier.linear"


def reconstruct(
    model: EmotionModel, part: str, gradient: Mapping[str, Tensor], prior: Eigenfaces, frames: int, iterations: int
) -> Tensor:
    """(1, H, W) in [0, 1]: the face that best explains `gradient` of trainable part `part`, of one stored sequence.

    The distance is 1 - cosine (Geiping et al. 2020, "Inverting Gradients", section 4; matching gradients goes back to
    Zhu et al. 2019, "Deep Leakage from Gradients"), over the earliest stage that is trained, since that depends on
    pixels most directly. The attacker takes all `frames` of the sequence for one and the same picture.
    """
    stage = model.first_trainable_stage(part)
    parameters = {name: p for name, p in model.freeze_all_but(part).items() if name.startswith(f"{stage}.")}
    wanted = torch.cat([gradient[name].flatten() for name in parameters])
    label = F.one_hot(label_of(gradient), len(gradient[f"{_LINEAR}.bias"])).float()[None]
    weights = torch.zeros(prior.size, requires_grad=True)
    optimizer = torch.optim.Adam([weights], _STEP)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    for _ in range(iterations):
        loss = F.cross_entropy(_logits_of_still(model, prior.face(weights), frames), label)
        found = torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, list(parameters.values()), create_graph=True)]
        )
        distance = 1 - F.cosine_similarity(found, wanted, dim=0)
        objective = distance + _PRIOR_WEIGHT * weights.square().mean()
        (weights.grad,) = torch.autograd.grad(objective, [weights])
        optimizer.step()
        schedule.step()
    return prior.developed(prior.face(weights.detach()))


def label_of(gradient: Mapping[str, Tensor]) -> Tensor:
    """The stored sequence's class: the only one whose bias has a negative gradient (Zhao et al. 2020, "iDLG")."""
    return gradient[f"{_LINEAR}.bias"].argmin()


def pooled_state_of(gradient: Mapping[str, Tensor]) -> Tensor:
    """(H,) what the last layer was given, exactly where one sequence was stored and no noise was added.

    Each row of the weight's gradient is the bias' gradient times that input (Phong et al. 2018, "Privacy-Preserving
    Deep Learning via Additively Homomorphic Encryption", section 3); rows are combined by least squares.
    """
    weight, bias = gradient[f"{_LINEAR}.weight"], gradient[f"{_LINEAR}.bias"]
    return bias @ weight / bias.square().sum()


def _logits_of_still(model: EmotionModel, face: Tensor, frames: int) -> Tensor:
    """(1, K): of `frames` times the same picture, which the encoder sees once."""
    features = model.encoder(face[None])[:, None]
    return model.run_from("temporal", features.expand(-1, frames, -1))
