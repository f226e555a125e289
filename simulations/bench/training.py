"""What exact private training costs: a private round of one device beside the same steps of ordinary training."""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from fl_client.training import local_update
from fl_server.settings import PolicySettings
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.privacy.calibration import calibrated
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core

_PAIRS = 5
_SEQUENCES = {"classifier": 40, "head": 40, "all": 8}


def bench_training() -> dict[str, dict[str, float]]:
    """CPU seconds of one private round and of one ordinary round, and their ratio, by trainable part.

    Medians over pairs that are run in turn, one thread, full batches, frozen stages computed beforehand.
    """
    use_one_core()
    torch.manual_seed(0)
    return {part: _compare(part, count) for part, count in _SEQUENCES.items()}


def _compare(part: str, count: int) -> dict[str, float]:
    scheme = scheme_by_name("basic-7")
    model = build_model("cnn-lstm", len(scheme.classes)).eval()
    frames = torch.rand(count, SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE)
    targets = torch.eye(len(scheme.classes))[torch.arange(count) % len(scheme.classes)]
    with torch.no_grad():
        inputs = model.run_until(model.first_trainable_stage(part), frames)
    inputs, engine, policy = inputs[:, None], engine_by_name("fast"), _policy(part)
    private, ordinary = [], []
    for _ in range(_PAIRS):
        private.append(_cpu_seconds(lambda: local_update(model, policy, inputs, targets, NoiseSource(), engine)))
        ordinary.append(_cpu_seconds(lambda: _ordinary_round(model, policy, inputs, targets)))
    ratios = [ours / theirs for ours, theirs in zip(private, ordinary, strict=True)]
    return {
        "sequences": count,
        "private_cpu_s": round(median(private), 4),
        "ordinary_cpu_s": round(median(ordinary), 4),
        "ratio": round(median(ratios), 2),
    }


def _ordinary_round(model: EmotionModel, policy: Policy, inputs: Tensor, targets: Tensor) -> None:
    optimizer = torch.optim.SGD(model.freeze_all_but(policy.trainable).values(), 1e-3)
    stage = model.first_trainable_stage(policy.trainable)
    for _ in range(policy.steps):
        optimizer.zero_grad()
        F.cross_entropy(model.run_from(stage, inputs[:, 0]), targets).backward()
        optimizer.step()


def _policy(part: str) -> Policy:
    settings = PolicySettings(learning_rate=1e-3, reply_seconds=0.0)
    return calibrated(**settings.model_dump(), model="cnn-lstm", scheme="basic-7", trainable=part)


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
