import numpy as np
import pytest
import torch
from torch import nn

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.errors import DataError, ModelError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model

SCHEME = scheme_by_name("basic-7")
CLASSES = len(SCHEME.classes)


def benchmark(count: int = 10) -> Benchmark:
    """Sequence i is of class i % K, and its pixels say so: all are 30 times its class."""
    labels = np.arange(count) % CLASSES
    frames = np.broadcast_to((labels * 30).astype(np.uint8)[:, None, None, None, None], (count, 3, 1, 4, 4)).copy()
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    return Benchmark(Sequences(SCHEME, frames, targets, tuple(f"s{i % 2}" for i in range(count)), ("",) * count))


class Model(EmotionModel):
    """An EmotionModel whose tests write only the forward pass."""

    def __init__(self) -> None:
        super().__init__("test", nn.Identity(), nn.Identity(), nn.Identity())


class ReadsBrightness(Model):
    """Knows the class from the brightness, except that dropout spoils its answers while it is training."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        brightness = self.dropout(x.mean(dim=(1, 2, 3, 4)) * 255)
        return -10 * (brightness[:, None] / 30 - torch.arange(CLASSES)).abs()


class Answers(Model):
    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(x), -1)


def test_a_model_that_knows_scores_one_on_inputs_scaled_to_one() -> None:
    metrics = benchmark().score(ReadsBrightness())

    assert metrics.accuracy == metrics.uar == 1
    assert metrics.by_subject is not None
    assert metrics.by_subject.subjects == 2


def test_the_score_does_not_depend_on_the_batch_nor_on_the_call() -> None:
    model = ReadsBrightness()

    assert benchmark().score(model, batch=3) == benchmark().score(model, batch=64) == benchmark().score(model)


def test_every_part_gets_its_own_training_flag_back() -> None:
    model = ReadsBrightness()
    model.dropout.eval()

    benchmark().score(model)

    assert model.training
    assert not model.dropout.training
    assert model.encoder.training


def test_frozen_stages_are_run_once_and_again_when_their_weights_change() -> None:
    torch.manual_seed(0)
    model, runs = build_model("cnn-lstm", CLASSES), []
    model.encoder.register_forward_hook(lambda *_: runs.append(1))
    frames = np.random.default_rng(0).integers(0, 256, (3, 2, 1, 48, 48), dtype=np.uint8)
    data = Sequences(SCHEME, frames, np.eye(CLASSES, dtype=np.float32)[:3], (None,) * 3, ("",) * 3)
    scored = Benchmark(data, "classifier")

    first = scored.score(model)
    assert len(runs) == 3
    assert scored.score(model) == first
    assert first.log_loss == pytest.approx(Benchmark(data).score(model).log_loss, rel=1e-5)
    runs.clear()
    with torch.no_grad():
        model.classifier.linear.bias.add_(torch.arange(CLASSES))
    assert scored.score(model).log_loss == pytest.approx(Benchmark(data).score(model).log_loss, rel=1e-5)
    assert len(runs) == 2, "only the benchmark without a cache runs the encoder, two sequences at once"
    with torch.no_grad():
        model.encoder.stem.weight.mul_(2)
    assert scored.score(model).log_loss == pytest.approx(Benchmark(data).score(model).log_loss, rel=1e-5)


def test_the_flags_come_back_after_an_error_too() -> None:
    model = Answers(torch.full((CLASSES,), float("nan")))
    with pytest.raises(ModelError, match="not finite"):
        benchmark().score(model)
    assert model.training


def test_another_label_scheme_is_refused() -> None:
    with pytest.raises(ModelError, match="basic-7"):
        benchmark().score(Answers(torch.zeros(CLASSES + 1)))


def test_an_empty_benchmark_is_refused() -> None:
    with pytest.raises(DataError, match="no sequences"):
        benchmark(0)
