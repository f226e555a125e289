"""A model as ONNX files, for whoever runs it elsewhere: written only where they answer as the model does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.models.listing import list_models
from fl_server.models.precisions import FULL, Form, Precision, compare
from fl_server.settings import load_settings
from fl_server.starting_model import starting_model
from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.errors import RoundError, UsageError
from shared_models.files import atomic_write, storage_errors
from shared_models.networks.model import EmotionModel
from shared_models.networks.onnx_export import TOLERANCE, export_onnx
from shared_models.networks.outputs import CATEGORICAL
from shared_models.networks.weights import WeightsHeader, load_model

Progress = Callable[[str, int, int], None]


class ModelExport(BaseModel):
    """What was exported. `precisions` is empty where only float32 was asked for.

    round:   None where a weights file was named
    streams: whether there is a step beside the window, and live reading can use the model
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int | None
    model_hash: str
    model: str
    scheme: str
    classes: tuple[str, ...]
    output: str
    streams: bool
    input_shape: tuple[int, int, int, int]
    max_abs_diff: float
    tolerance: float
    files: list[str]
    benchmark: str
    precisions: list[Precision]


@dataclass(frozen=True)
class _Source:
    """What is exported, and what its files are called."""

    model: EmotionModel
    header: WeightsHeader
    round: int | None
    name: str


def export_model(
    folder: FederationFolder,
    round_: int | None,
    weights: Path | None,
    out: Path,
    precisions: list[str],
    progress: Progress,
) -> ModelExport:
    """Writes a model to the folder `out`: that of the file `weights`, else of `round_`, else the promoted or best one.

    Before the first start that is the model which the federation will start from.

    precisions: smaller ones to try beside float32; one is written where it pays, which the benchmark decides

    Raises RoundError where no model is there, CheckpointError where its weights are not, ModelError where they cannot
    be used or the export is not what the model is, UsageError for `precisions` of a model that does not tell classes
    apart, StorageError where `out` cannot be written.
    """
    spec = load_settings(folder.settings).benchmark.data
    source = _of_file(weights) if weights else _of_round(folder, round_)
    if precisions and source.model.output is not CATEGORICAL:
        raise UsageError(
            f"Smaller weights are not scored for the output {source.model.output.name}",
            why="whether they pay is decided on a benchmark of single classes",
            fix="Leave out --float16 and --int8",
        )
    progress("exporting", 0, 1)
    exported = export_onnx(source.model, source.header)
    progress("exporting", 1, 1)
    forms, rows = [Form.of(exported, name) for name in (FULL, *precisions)], []
    if precisions:
        data = load_benchmark(parse_spec(spec), scheme_by_name(source.header.scheme))
        rows = compare(forms, data, progress)
    kept = [form for form, row in zip(forms, rows, strict=True) if row.kept] if rows else forms
    return ModelExport(
        round=source.round,
        **exported.header.model_dump(include={"model_hash", "model", "scheme", "classes", "output", "input_shape"}),
        streams=exported.step is not None,
        max_abs_diff=exported.max_abs_diff,
        tolerance=TOLERANCE,
        files=_write(out, source.name, kept),
        benchmark=spec if rows else "",
        precisions=rows,
    )


def _of_file(weights: Path) -> _Source:
    model, header, _ = load_model(weights)
    return _Source(model, header, None, weights.stem)


def _of_round(folder: FederationFolder, round_: int | None) -> _Source:
    checkpoints = Checkpoints(folder.checkpoints)
    if not checkpoints.rounds() and not round_:  # the server has not started yet
        model, header, _ = starting_model(load_settings(folder.settings).model)
        chosen = 0
    else:
        chosen = _marked(folder) if round_ is None else round_
        model, record = checkpoints.load(chosen)
        header = record.header
    return _Source(model, header, chosen, f"{header.model}-{header.scheme}-round-{chosen}")


def _marked(folder: FederationFolder) -> int:
    models = list_models(folder)
    for mark in ("promoted", "best"):
        for model in models:
            if getattr(model, mark):
                return model.round
    raise RoundError("There is no model to export", why="no round's weights are kept")


def _write(out: Path, name: str, forms: list[Form]) -> list[str]:
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    files = []
    for form in forms:
        suffix = "" if form.precision == FULL else f"-{form.precision}"
        for kind, content in (("step", form.step), ("window", form.window)):
            if content is None:
                continue
            path = out / f"{name}-{kind}{suffix}.onnx"
            atomic_write(path, content, 0o644)
            files.append(str(path))
    return files
