"""A pytest plugin that plants one privacy bug in the product, named by ATTUNE_PLANTED_BUG."""

import os

import pytest
import torch

from fl_client import training
from shared_models.privacy.events import Released
from shared_models.privacy.gradients.fast import FastEngine
from shared_models.privacy.ledger import Ledger, intents_of
from shared_models.privacy.noise import NoiseSource

_clipped_sum, _normal, _init, _steps = FastEngine.clipped_sum, NoiseSource.normal, NoiseSource.__init__, training._steps


def _no_clip(engine, model, part, inputs, targets, clip_norm):
    return _clipped_sum(engine, model, part, inputs, targets, 1e9)


def _per_frame(engine, model, part, inputs, targets, clip_norm):
    """Each frame of (B, V, T, H) is clipped as if it were a sequence of its own."""
    if inputs.ndim != 4 or len(inputs) == 0:
        return _clipped_sum(engine, model, part, inputs, targets, clip_norm)
    frames = inputs.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    return _clipped_sum(engine, model, part, frames, targets.repeat_interleave(inputs.shape[2], 0), clip_norm)


def _rate_from_n(model, policy, inputs, targets, noise, engine):
    counted = policy.model_copy(update={"denominator": max(1, len(inputs))})
    return _steps(model, counted, inputs, targets, noise, engine)


def _refunded(ledger):
    released = {entry.body.nonce for entry in ledger.entries if isinstance(entry.body, Released)}
    return [intent for intent in intents_of(ledger.entries) if intent.nonce in released]


def _plant(name: str) -> None:
    if name == "no clip":
        FastEngine.clipped_sum = _no_clip
    elif name == "half noise":
        NoiseSource.normal = lambda source, shape: _normal(source, shape) / 2
    elif name == "per-frame gradients":
        FastEngine.clipped_sum = torch.no_grad()(_per_frame)
    elif name == "reused seed":
        NoiseSource.__init__ = lambda source, key=None: _init(source, key or bytes(32))
    elif name == "refunded crash":
        Ledger.intents = property(_refunded)
    elif name == "rate from n":
        training._steps = _rate_from_n


def pytest_configure(config: pytest.Config) -> None:
    _plant(os.environ["ATTUNE_PLANTED_BUG"])
