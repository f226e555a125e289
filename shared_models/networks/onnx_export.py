"""A model as ONNX files, a window and a streaming step, handed out only where they answer as the model does."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from shared_models.data.labels import scheme_by_name
from shared_models.errors import ModelError
from shared_models.networks.model import EmotionModel
from shared_models.networks.onnx_runtime import HEADER_KEY, NEXT, OnnxHeader, OnnxModel, OnnxStep
from shared_models.networks.streaming import StreamingStep, streams
from shared_models.networks.weights import WeightsHeader, weights_hash

TOLERANCE = 1e-4
"""The largest difference of a logit between the model and what was exported of it."""
_PARITY_WINDOWS = 3


@dataclass(frozen=True)
class Exported:
    """The files, and the largest difference of a logit from the model's own that was found.

    window: frames (N, T, 1, H, W) in [0, 1] -> logits (N, K)
    step:   frame (1, 1, H, W) in [0, 1] and the state, (S, .) each, zeros at first -> logits (S, K) and `next_` state;
            None where the model does not stream
    """

    header: OnnxHeader
    step: bytes | None
    window: bytes
    max_abs_diff: float


def export_onnx(model: EmotionModel, header: WeightsHeader) -> Exported:
    """Exports `model`, which stays as it is, and runs each file beside it.

    Raises ModelError where an answer is off by more than `TOLERANCE`.
    """
    described = _described(model, header)
    window, off = _checked(model, described, _export_window, difference_of_window)
    step = None
    if streams(model):
        step, step_off = _checked(model, described, _export_step, difference_of_step)
        off = max(off, step_off)
    return Exported(described, step, window, off)


def export_step(model: EmotionModel, header: WeightsHeader) -> bytes:
    """The streaming step alone. Raises ModelError as `export_onnx` does, and where the model does not stream."""
    return _checked(model, _described(model, header), _export_step, difference_of_step)[0]


def difference_of_step(step: bytes, windows: Tensor, expected: np.ndarray) -> float:
    """The largest difference between `expected` (N, K) and the logits after the last frame of windows (N, T, ...)."""
    stream, answers = OnnxStep(step), []
    for frames in windows.numpy():
        stream.restart()
        answers.append([stream.step(frame)[0] for frame in frames[:, 0]][-1])
    return float(np.abs(np.stack(answers) - expected).max())


def difference_of_window(window: bytes, windows: Tensor, expected: np.ndarray) -> float:
    """As `difference_of_step`, of a window file: for all windows at once, and for the first alone."""
    model = OnnxModel(window)
    answers = [model.run({"frames": windows[:count].numpy()})[0] - expected[:count] for count in (1, len(windows))]
    return float(np.abs(np.concatenate(answers)).max())


def _described(model: EmotionModel, header: WeightsHeader) -> OnnxHeader:
    return OnnxHeader(
        model=header.model,
        scheme=header.scheme,
        classes=scheme_by_name(header.scheme).classes,
        output=model.output.name,
        reading=model.output.reading,
        input_shape=header.input_shape,
        model_hash=weights_hash(model.state_dict()),
        training_data=header.training_data,
    )


def _checked(
    model: EmotionModel,
    header: OnnxHeader,
    export: Callable[[EmotionModel, Tensor, OnnxHeader], bytes],
    difference: Callable[[bytes, Tensor, np.ndarray], float],
) -> tuple[bytes, float]:
    """One file, and how far its logits are off. Raises ModelError where that is too far."""
    model = copy.deepcopy(model).eval()  # the exporter leaves traces in it
    windows = _some_windows(header.input_shape)
    with torch.inference_mode():
        expected = model(windows).numpy()
    file = export(model, windows, header)
    off = difference(file, windows, expected)
    if not off <= TOLERANCE:  # nor where it is no number
        raise ModelError(
            f"The exported model {header.model} does not answer as the model does",
            why=f"a logit is off by {off:.2g}, and {TOLERANCE:g} is allowed",
            fix="Check that the weights are finite; otherwise report it",
        )
    return file, off


def _export_step(model: EmotionModel, windows: Tensor, header: OnnxHeader) -> bytes:
    step = StreamingStep(model).eval()
    state, several = step.start(2), torch.export.Dim("streams")
    return _export(
        step,
        (windows[0, :1], *state),
        header,
        input_names=["frame", *step.state_names],
        output_names=["logits", *(NEXT + name for name in step.state_names)],
        dynamic_shapes={"frame": None, "state": tuple({0: several} for _ in state)},
    )


def _export_window(model: EmotionModel, windows: Tensor, header: OnnxHeader) -> bytes:
    return _export(
        model,
        (windows,),
        header,
        input_names=["frames"],
        output_names=["logits"],
        dynamic_shapes={"frames": {0: torch.export.Dim("windows")}},
    )


def _export(module: nn.Module, example: tuple[Tensor, ...], header: OnnxHeader, **names: Any) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts, and of names it may choose itself
        program = torch.onnx.export(module, example, dynamo=True, verbose=False, **names)
    if program is None:
        raise ModelError("The model could not be exported")
    exported = program.model_proto
    onnx.helper.set_model_props(exported, {HEADER_KEY: header.model_dump_json()})
    data: bytes = exported.SerializeToString()
    return data


def _some_windows(shape: tuple[int, int, int, int]) -> Tensor:
    """(N, T, 1, H, W) in [0, 1]: the same noise each time, darker and lighter."""
    noise = torch.rand(_PARITY_WINDOWS, *shape, generator=torch.Generator().manual_seed(0))
    return noise * torch.linspace(0.4, 1.0, _PARITY_WINDOWS).reshape(-1, 1, 1, 1, 1)
