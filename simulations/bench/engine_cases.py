"""The cases of `bench.engines`, each run as `python -m simulations.bench.engine_cases CASE SIZE POLICY`.

The plain loop knows nothing of the product but the network. It goes through a client's sequences one by one, which is
faster here than in batches and needs less memory; privately it clips each gradient and adds Gaussian noise.
"""

import copy
import json
import sys

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.resources import use_one_core
from simulations.bench.engines import SEQUENCES, Size

_CLASSES, _FRAMES, _CROP = 7, 16, 48
_SEED, _WORKERS = 0, 2


def main() -> None:
    case, size, policy = sys.argv[1:]
    use_one_core()
    torch.manual_seed(_SEED)
    model, wanted = build_model("cnn-lstm", _CLASSES).eval(), Size(**json.loads(size))
    if case == "floor":
        plain_loop(model, wanted, json.loads(policy))
    else:
        with_engine(case, model, wanted, policy)


def client_data(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (B, T, 1, H, W) uint8 and classes (B,) of one client."""
    rng = np.random.default_rng((_SEED, number))
    frames = rng.integers(0, 256, (SEQUENCES, _FRAMES, 1, _CROP, _CROP), dtype=np.uint8)
    return frames, rng.integers(0, _CLASSES, SEQUENCES)


def plain_loop(model: EmotionModel, size: Size, policy: dict[str, float]) -> None:
    """Federated averaging, by hand."""
    clients = [client_data(number) for number in range(size.clients)]
    chance, local = np.random.default_rng(_SEED), copy.deepcopy(model)
    weights, mine = list(model.parameters()), list(local.parameters())
    rate, clip = policy["learning_rate"] / policy["denominator"], policy["clip_norm"]
    for _ in range(size.rounds):
        mean = [torch.zeros_like(w) for w in weights]
        for number in chance.permutation(size.clients)[: size.cohort]:
            local.load_state_dict(model.state_dict())
            frames, classes = clients[number]
            inputs, targets = torch.from_numpy(frames).float() / 255, torch.from_numpy(classes)
            private = policy["noise_multiplier"] > 0
            gradients = _clipped(local, inputs, targets, clip) if private else _summed(local, inputs, targets)
            with torch.no_grad():
                for w, p, g, m in zip(weights, mine, gradients, mean, strict=True):
                    if private:
                        g += policy["noise_multiplier"] * clip * torch.randn_like(g)
                    p.sub_(g, alpha=rate)
                    m.add_(p - w, alpha=1 / size.cohort)
        with torch.no_grad():
            for w, m in zip(weights, mean, strict=True):
                w.add_(m)


def _summed(model: nn.Module, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    model.zero_grad()
    for i in range(len(inputs)):
        F.cross_entropy(model(inputs[i : i + 1]), targets[i : i + 1]).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def _clipped(model: nn.Module, inputs: Tensor, targets: Tensor, clip: float) -> list[Tensor]:
    parameters = list(model.parameters())
    total = [torch.zeros_like(p) for p in parameters]
    for i in range(len(inputs)):
        loss = F.cross_entropy(model(inputs[i : i + 1]), targets[i : i + 1])
        gradients = torch.autograd.grad(loss, parameters)
        norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
        for t, g in zip(total, gradients, strict=True):
            t.add_(g, alpha=min(1.0, clip / float(norm)))
    return total


def with_engine(name: str, model: EmotionModel, size: Size, policy: str) -> None:
    from shared_models.data.labels import scheme_by_name
    from shared_models.data.sequences import Sequences
    from shared_models.privacy.policy import Policy
    from simulations.engines import open_engine

    scheme, nobody = scheme_by_name("basic-7"), (None,) * SEQUENCES
    clients = [
        Sequences(scheme, frames, np.eye(_CLASSES, dtype=np.float32)[classes], nobody, ("",) * SEQUENCES)
        for frames, classes in map(client_data, range(size.clients))
    ]
    workers = _WORKERS if name == "flower" else 0
    with open_engine(name, model, clients, _SEED, "fast", workers) as engine:
        engine.train(Policy.model_validate_json(policy), size.rounds, size.cohort, lambda done, total: None)


if __name__ == "__main__":
    main()
