"""What exact private training costs beside ordinary training: CPU time and memory, as ratios inside one run.

A case is one model, batch and thread. Ordinary training is batched SGD with nn.LSTM. Ways are timed in turn, step by
step, so that a machine whose speed drifts slows all of them alike; a ratio is the median over such turns. Memory is
the growth of a fresh process's peak over what it held before the first step.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fl_client.training import local_update
from fl_server.settings import PolicySettings
from shared_models.data.sequences import INPUT_SHAPE, SEQUENCE_FRAMES
from shared_models.networks.model import Classifier, EmotionModel, LstmStates
from shared_models.networks.registry import build_model
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.noise import NoiseSource
from shared_models.resources import use_one_core
from simulations.bench.memory import in_own_process, peak_growth

_CLASSES, _HIDDEN, _RATE = 7, 128, 1e-3
_MEMORY_STEPS = 3
Step = Callable[[], object]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Case:
    """A batch of `batch` sequences, and either the width of their cached features or the model that takes frames."""

    name: str
    batch: int
    turns: int
    features: int = 0
    model: str = ""

    @property
    def part(self) -> str:
        return "head" if self.features else "all"

    def build(self) -> tuple[EmotionModel, Tensor, Tensor]:
        """The model, its inputs (B, 1, T, ...) and soft targets (B, K)."""
        torch.manual_seed(0)
        targets = torch.eye(_CLASSES)[torch.arange(self.batch) % _CLASSES]
        if self.features:
            temporal, classifier = LstmStates(self.features, _HIDDEN), Classifier(_HIDDEN, _CLASSES)
            model = EmotionModel(self.name, nn.Identity(), temporal, classifier)
            return model, torch.randn(self.batch, 1, SEQUENCE_FRAMES, self.features), targets
        frames = torch.rand(self.batch, 1, *INPUT_SHAPE)
        return build_model(self.model, _CLASSES), frames, targets


CASES = (
    Case("head-d128-b32", batch=32, turns=40, features=128),
    Case("head-d576-b64", batch=64, turns=20, features=576),
    Case("full-cnn-lstm", batch=8, turns=5, model="cnn-lstm"),
    Case("full-mobilenet", batch=8, turns=5, model="mobilenet-lstm"),
)


def bench_dp(progress: Progress, cases: tuple[Case, ...] = CASES) -> dict[str, list[dict[str, object]]]:
    """`{"cases": [...]}`: for each case CPU milliseconds of an ordinary step, ratios to it, and peak memory in MiB."""
    use_one_core()
    rows: list[dict[str, object]] = []
    for number, case in enumerate(cases):
        progress("measuring", number, len(cases))
        rows.append({"name": case.name, **_times(case), **_peaks(case)})
    progress("measuring", len(cases), len(cases))
    return {"cases": rows}


def _times(case: Case) -> dict[str, float]:
    ways = {name: way(case) for name, way in _WAYS.items()}
    for step in ways.values():
        step()
    turns = [{name: _cpu_seconds(step) for name, step in ways.items()} for _ in range(case.turns)]

    def ratio(name: str) -> float:
        return round(median(turn[name] / turn["sgd"] for turn in turns), 3)

    return {
        "sgd_ms": round(1000 * median(turn["sgd"] for turn in turns), 2),
        "ratio_fast": ratio("fast"),
        "ratio_fast_with_noise": ratio("fast_with_noise"),
        "ratio_opacus": ratio("opacus"),
    }


def _peaks(case: Case) -> dict[str, float]:
    return {f"peak_mib_{name}": in_own_process(_peak, case, name) for name in ("sgd", "fast", "opacus")}


def _peak(case: Case, name: str) -> float:
    use_one_core()
    step = _WAYS[name](case)
    _, growth = peak_growth(lambda: [step() for _ in range(_MEMORY_STEPS)])
    return growth


def _sgd(case: Case) -> Step:
    model, inputs, targets = case.build()
    stage = model.first_trainable_stage(case.part)
    optimizer = torch.optim.SGD(model.freeze_all_but(case.part).values(), _RATE)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model.run_from(stage, inputs[:, 0]), targets).backward()
        optimizer.step()

    return step


def _engine_step(engine_name: str) -> Callable[[Case], Step]:
    """Clipped gradients and a step along them, without noise."""

    def of(case: Case) -> Step:
        (model, inputs, targets), engine = case.build(), engine_by_name(engine_name)

        def step() -> None:
            total = engine.clipped_sum(model, case.part, inputs, targets, 0.5)
            model.add({name: value.float() for name, value in total.items()}, -_RATE / case.batch)

        return step

    return of


def _with_noise(case: Case) -> Step:
    """The device's own training of one step, hardened noise included."""
    (model, inputs, targets), engine = case.build(), engine_by_name("fast")
    settings = PolicySettings(steps=1, learning_rate=_RATE, max_sequences=case.batch, reply_seconds=0.0)
    policy = settings.calibrated("cnn-lstm", "basic-7", case.part)
    noise = NoiseSource()
    return lambda: local_update(model, policy, inputs, targets, noise, engine)


_WAYS: dict[str, Callable[[Case], Step]] = {
    "sgd": _sgd,
    "fast": _engine_step("fast"),
    "fast_with_noise": _with_noise,
    "opacus": _engine_step("opacus"),
}


def _cpu_seconds(step: Step) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began
