"""A private round of every output, with the noise that a cap of epsilon 8 asks for, makes the model better."""

import pytest
import torch
from torch import Tensor

from fl_client.training import local_update
from shared_models.data.labels import FURTHER_SCHEMES, SCHEMES
from shared_models.networks.registry import build_model
from shared_models.privacy.calibration import calibrated
from shared_models.privacy.gradients import ENGINES, engine_by_name
from shared_models.privacy.noise import NoiseSource

COUNT, TIME, STATE = 60, 3, 128
KINDS = {
    "categorical": ([1, 0, 0], [0, 1, 0]),
    "multi-label": ([1, 1, 0], [0, 1, 0]),
    "levels": ([1, 0, 0], [1, 1, 1]),
    "values": ([0.8, 0.4], [-0.6, 0.4]),
}
"""How the targets of two kinds of sequences begin; the rest is 0."""


def sequences(output: str, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """States (N, 1, T, D) of two kinds, and their targets (N, K)."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.arange(COUNT) % 2
    centres = torch.randn(2, STATE, generator=torch.Generator().manual_seed(0))
    states = centres[kind][:, None, None] + 0.3 * torch.randn(COUNT, 1, TIME, STATE, generator=generator)
    targets = torch.zeros(COUNT, classes)
    begins = torch.tensor(KINDS[output], dtype=torch.float32)
    targets[:, : begins.shape[1]] = begins[kind]
    return 0.3 * states, targets


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["basic-7", *FURTHER_SCHEMES])
def test_a_private_round_learns(name: str, engine: str) -> None:
    scheme = (SCHEMES | FURTHER_SCHEMES)[name]
    policy = calibrated(
        model="cnn-lstm",
        scheme=name,
        trainable="classifier",
        epsilon=8.0,
        delta=1e-5,
        participations=1,
        steps=8,
        clip_norm=0.5,
        views=1,
        min_survivors=2,
        colluders=1,
        min_rounds_between=0,
        denominator=COUNT,
        max_sequences=COUNT,
        learning_rate=0.1 if scheme.output == "values" else 2.0,  # squares are steep
        momentum=0.0,
        reply_seconds=0.0,
    )
    torch.manual_seed(1)
    model = build_model("cnn-lstm", len(scheme.classes), scheme.output).eval()
    held_out, wanted = sequences(scheme.output, len(scheme.classes), seed=2)

    def loss() -> float:
        with torch.no_grad():
            return float(model.output.losses(model.run_from("classifier", held_out[:, 0]), wanted).mean())

    before = loss()
    own = sequences(scheme.output, len(scheme.classes), seed=1)
    update = local_update(model, policy, *own, NoiseSource.from_seed(1), engine_by_name(engine))
    assert set(update) == set(model.trainable("classifier"))
    assert loss() < 0.9 * before
    assert policy.noise_multiplier > 0.5
