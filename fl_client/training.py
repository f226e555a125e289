"""Private training on one device: DP-SGD on the trainable part of the model, by one policy for every device."""

import torch
from torch import Tensor

from shared_models.errors import DataError
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import norm_of
from shared_models.privacy.gradients import GradientEngine
from shared_models.privacy.mechanism import Mechanism
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy

Update = dict[str, Tensor]


def local_update(
    model: EmotionModel,
    policy: Policy,
    inputs: Tensor,
    targets: Tensor,
    noise: NoiseSource,
    engine: GradientEngine,
) -> Update:
    """Trains `model` in place by `policy` and returns the private change of its trainable part, float32.

    inputs:  (B, V, ...) as `FeatureCache.inputs` gives them, B at most policy.max_sequences, 0 for an empty store
    targets: (B, K) float32

    Raises DataError where the two do not fit together or the policy. A value that is not finite is no error: it
    counts as nothing, since a refusal would tell what is stored.
    """
    _check(policy, inputs, targets)
    delta = _steps(model, policy, inputs, targets, noise, engine)
    protected = policy.mechanism_for("participant")
    return delta if protected is None else _share(delta, protected, noise)


def _steps(
    model: EmotionModel, policy: Policy, inputs: Tensor, targets: Tensor, noise: NoiseSource, engine: GradientEngine
) -> Update:
    """policy.steps steps, each of which adds N(0, (sigma C)^2) to a sum of which each sequence is at most C.

    Abadi et al. 2016, algorithm 1. Steps, rates and the denominator are the policy's; B changes nothing but the sum.
    The gradient of FedProx's proximal term, mu (w - w_round) (Li et al. 2020, equation 2), comes after clipping and
    noise: it follows from noised steps alone, so it costs no privacy.
    """
    deviation = policy.noise_multiplier * policy.clip_norm
    parameters = model.freeze_all_but(policy.trainable)
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    velocity = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    for _ in range(policy.steps):
        drawn = _drawn(policy, len(inputs), noise)
        total = engine.clipped_sum(model, policy.trainable, inputs[drawn], targets[drawn], policy.clip_norm)
        for name, gradient in total.items():
            noised = gradient + deviation * noise.normal(gradient.shape)
            velocity[name].mul_(policy.momentum).add_(noised / policy.denominator)
            if policy.proximal:
                velocity[name].add_(parameters[name].detach() - before[name], alpha=policy.proximal)
        model.add({name: v.float() for name, v in velocity.items()}, scale=-policy.learning_rate)
    return {name: parameter.detach() - before[name] for name, parameter in parameters.items()}


def _drawn(policy: Policy, count: int, noise: NoiseSource) -> slice | Tensor:
    """Which of `count` sequences take part in a step. As many draws are made as the policy allows sequences."""
    return slice(None) if policy.q == 1 else noise.bernoulli(policy.max_sequences, policy.q)[:count]


def _share(delta: Update, protected: Mechanism, noise: NoiseSource) -> Update:
    """The whole update clipped, and this device's share of the noise added to it.

    Kairouz, Liu and Steinke 2021, "The Distributed Discrete Gaussian Mechanism", section 1: noise in shares whose sum
    is enough. An update that is not finite counts as zero.
    """
    norm = norm_of(delta)
    scale = protected.clip_norm / max(norm, protected.clip_norm) if norm < float("inf") else 0.0
    shared = {}
    for name, change in delta.items():
        clipped = change.double() * scale if scale > 0 else torch.zeros_like(change, dtype=torch.float64)
        shared[name] = (clipped + protected.share * noise.normal(change.shape)).float()
    return shared


def _check(policy: Policy, inputs: Tensor, targets: Tensor) -> None:
    if len(inputs) != len(targets) or len(inputs) > policy.max_sequences:
        raise DataError(
            "These sequences cannot be trained on",
            why=f"{len(inputs)} sequences with {len(targets)} labels, at most {policy.max_sequences} of each",
        )
    if len(inputs) and inputs.shape[1] != policy.views:
        raise DataError(
            "These sequences cannot be trained on", why=f"{inputs.shape[1]} views of each, not {policy.views}"
        )
