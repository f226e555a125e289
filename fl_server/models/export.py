"""A round's model as ONNX files, for whoever runs it elsewhere: written only where they answer as the model does."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from pydantic import BaseModel, ConfigDict

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.models.listing import list_models
from fl_server.settings import load_settings
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.data.transforms import to_input
from shared_models.errors import RoundError
from shared_models.evaluation.metrics import score
from shared_models.files import atomic_write, storage_errors
from shared_models.networks.onnx_export import TOLERANCE, export_onnx
from shared_models.networks.onnx_precision import PRECISIONS
from shared_models.networks.onnx_runtime import OnnxModel, OnnxStep

FULL = "float32"
_TIMED_STEPS, _UNTIMED_STEPS = 200, 20
_MOST_LOST = 0.005  # of macro F1
_MOST_SLOWER = 1.25
Progress = Callable[[str, int, int], None]


class Precision(BaseModel):
    """One row of the table: what weights of this precision score, weigh and take.

    step_ms: CPU milliseconds of one streaming step on one thread, the median
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: str
    accuracy: float
    uar: float
    macro_f1: float
    step_bytes: int
    window_bytes: int
    step_ms: float
    kept: bool


class ModelExport(BaseModel):
    """What was exported. `precisions` is empty where only float32 was asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
    model_hash: str
    model: str
    scheme: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int, int]
    max_abs_diff: float
    tolerance: float
    files: list[str]
    benchmark: str
    precisions: list[Precision]


@dataclass(frozen=True)
class Form:
    """The two files of one precision."""

    precision: str
    step: bytes
    window: bytes


def export_round(
    folder: FederationFolder, round_: int | None, out: Path, precisions: list[str], progress: Progress
) -> ModelExport:
    """Writes the model of `round_` to the folder `out`; the promoted one, else the best one, where it is None.

    precisions: smaller ones to try beside float32; one is written where it pays, which the benchmark decides

    Raises RoundError where there is no model yet, CheckpointError where its weights are not there, ModelError where
    the export is not what the model is, StorageError where `out` cannot be written.
    """
    chosen = _chosen(folder) if round_ is None else round_
    progress("exporting", 0, 1)
    model, record = Checkpoints(folder.checkpoints).load(chosen)
    exported = export_onnx(model, record.header)
    progress("exporting", 1, 1)
    forms, spec = [Form(FULL, exported.step, exported.window)], load_settings(folder.settings).benchmark.data
    rows: list[Precision] = []
    if precisions:
        forms += [Form(name, *map(PRECISIONS[name], (exported.step, exported.window))) for name in precisions]
        data = load_benchmark(parse_spec(spec), scheme_by_name(record.header.scheme))
        rows = compare(forms, data, progress)
    kept = [form for form, row in zip(forms, rows, strict=True) if row.kept] if rows else forms
    return ModelExport(
        round=chosen,
        model_hash=record.model_hash,
        model=record.header.model,
        scheme=record.header.scheme,
        classes=exported.header.classes,
        input_shape=record.header.input_shape,
        max_abs_diff=exported.max_abs_diff,
        tolerance=TOLERANCE,
        files=_write(out, f"{record.header.model}-{record.header.scheme}-round-{chosen}", kept),
        benchmark=spec if rows else "",
        precisions=rows,
    )


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
            step_bytes=len(form.step),
            window_bytes=len(form.window),
            step_ms=_step_ms(form.step),
            kept=True,
        )
        rows.append(row if not rows else row.model_copy(update={"kept": pays(row, rows[0])}))
    progress("scoring", len(forms), len(forms))
    return rows


def pays(row: Precision, full: Precision) -> bool:
    """Whether a precision gains room and loses nothing that is worth more."""
    return (
        row.step_bytes < full.step_bytes
        and row.macro_f1 >= full.macro_f1 - _MOST_LOST
        and row.step_ms <= full.step_ms * _MOST_SLOWER
    )


def _chosen(folder: FederationFolder) -> int:
    models = list_models(folder)
    for mark in ("promoted", "best"):
        for model in models:
            if getattr(model, mark):
                return model.round
    raise RoundError("There is no model yet", fix=f"Start the federation with `fl-server start {folder.root}`")


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
    frame, spent = np.full((height, width), 0.5, np.float32), []
    for _ in range(_TIMED_STEPS):
        began = time.process_time()
        model.step(frame)
        spent.append(1000 * (time.process_time() - began))
    return round(median(spent[_UNTIMED_STEPS:]), 3)


def _write(out: Path, name: str, forms: list[Form]) -> list[str]:
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    files = []
    for form in forms:
        suffix = "" if form.precision == FULL else f"-{form.precision}"
        for kind, content in (("step", form.step), ("window", form.window)):
            path = out / f"{name}-{kind}{suffix}.onnx"
            atomic_write(path, content, 0o644)
            files.append(str(path))
    return files
