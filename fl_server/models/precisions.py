"""Exported models with smaller weights, scored and timed beside float32: one is kept only where it pays."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from pydantic import BaseModel, ConfigDict

from shared_models.data.sequences import Sequences
from shared_models.data.transforms import to_input
from shared_models.evaluation.metrics import score
from shared_models.evaluation.sheets import Sheet
from shared_models.networks.onnx_export import Exported
from shared_models.networks.onnx_precision import PRECISIONS
from shared_models.networks.onnx_runtime import OnnxModel, OnnxStep

FULL = "float32"
_TIMED, _UNTIMED = 100, 10
_MOST_LOST = 0.005  # of macro F1
_MOST_SLOWER = 1.25
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Form:
    """The files of one precision. `step`: None where the model does not stream"""

    precision: str
    step: bytes | None
    window: bytes

    @classmethod
    def of(cls, exported: Exported, precision: str) -> "Form":
        """What was exported, with its weights in `precision`."""
        shrink = PRECISIONS[precision] if precision != FULL else bytes
        return cls(precision, None if exported.step is None else shrink(exported.step), shrink(exported.window))


class Precision(BaseModel):
    """One row of the table: what weights of this precision score, weigh and take.

    step_ms, window_ms: CPU milliseconds of one of them on one thread, the median; a step where there is one
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: str
    accuracy: float
    uar: float
    macro_f1: float
    step_bytes: int | None
    window_bytes: int
    step_ms: float | None
    window_ms: float
    kept: bool

    @property
    def cost(self) -> tuple[int, float]:
        """Bytes and milliseconds of the file that runs all the time: the step, else the window."""
        if self.step_bytes is None or self.step_ms is None:
            return self.window_bytes, self.window_ms
        return self.step_bytes, self.step_ms


def compare(forms: list[Form], data: Sequences, progress: Progress) -> list[Precision]:
    """The table of `forms`, float32 first. Another one is kept where it is smaller, scores as well and is as fast."""
    rows: list[Precision] = []
    for number, form in enumerate(forms):
        progress("scoring", number, len(forms))
        metrics = score(_probabilities(form.window, data), data.labels, data.scheme.classes, data.subjects)
        row = Precision(
            precision=form.precision,
            accuracy=metrics.accuracy,
            uar=metrics.uar,
            macro_f1=metrics.macro_f1,
            step_bytes=None if form.step is None else len(form.step),
            window_bytes=len(form.window),
            step_ms=None if form.step is None else _step_ms(form.step),
            window_ms=_window_ms(form.window),
            kept=True,
        )
        rows.append(row if not rows else row.model_copy(update={"kept": pays(row, rows[0])}))
    progress("scoring", len(forms), len(forms))
    return rows


def pays(row: Precision, full: Precision) -> bool:
    """Whether a precision gains room and loses nothing that is worth more."""
    (size, ms), (full_size, full_ms) = row.cost, full.cost
    return size < full_size and row.macro_f1 >= full.macro_f1 - _MOST_LOST and ms <= full_ms * _MOST_SLOWER


def precisions_sheet(rows: list[Precision], benchmark: str) -> Sheet:
    """What each precision scores, and the size and time of the file that runs all the time."""
    file = "window" if rows[0].step_bytes is None else "step"
    return Sheet(
        title=f"Scored on {benchmark}",
        headings=("weights", "accuracy", "UAR", "macro F1", f"{file}'s MB", f"ms a {file}", ""),
        rows=[
            (
                row.precision,
                *(f"{value:.3f}" for value in (row.accuracy, row.uar, row.macro_f1)),
                f"{row.cost[0] / 1e6:.2f}",
                f"{row.cost[1]:.2f}",
                "written" if row.kept else "does not pay",
            )
            for row in rows
        ],
    )


def _probabilities(window: bytes, data: Sequences) -> np.ndarray:
    """(N, K) float64"""
    model = OnnxModel(window)
    logits = np.concatenate([model.run({"frames": to_input(frames[None]).numpy()})[0] for frames in data.frames])
    shares = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = shares / shares.sum(axis=1, keepdims=True)
    return probabilities


def _step_ms(step: bytes) -> float:
    model = OnnxStep(step)
    _, _, height, width = model.header.input_shape
    model.restart()
    frame = np.full((height, width), 0.5, np.float32)
    return _median_ms(lambda: model.step(frame))


def _window_ms(window: bytes) -> float:
    model = OnnxModel(window)
    frames = np.full((1, *model.header.input_shape), 0.5, np.float32)
    return _median_ms(lambda: model.run({"frames": frames}))


def _median_ms(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(_TIMED):
        began = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - began))
    return round(median(spent[_UNTIMED:]), 3)
