"""A model as two ONNX files, a streaming step and a window, handed out only where both answer as the model does."""

import copy
import warnings
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
from shared_models.networks.streaming import StreamingStep
from shared_models.networks.weights import WeightsHeader, weights_hash

TOLERANCE = 1e-4
"""The largest difference of a logit between the model and what was exported of it."""
_PARITY_WINDOWS = 3


@dataclass(frozen=True)
class Exported:
    """The two files, and the largest difference of a logit from the model's own that was found.

    step:   frame (1, 1, H, W) in [0, 1] and the state, (S, .) each, zeros at first -> logits (S, K) and `next_` state
    window: frames (1, T, 1, H, W) in [0, 1] -> logits (1, K)
    """

    header: OnnxHeader
    step: bytes
    window: bytes
    max_abs_diff: float


def export_onnx(model: EmotionModel, header: WeightsHeader) -> Exported:
    """Exports `model`, which stays as it is, and runs both files beside it.

    Raises ModelError where its temporal stage does not stream, or where an answer is off by more than `TOLERANCE`.
    """
    model = copy.deepcopy(model).eval()  # the exporter leaves traces in it
    described = OnnxHeader(
        model=header.model,
        scheme=header.scheme,
        classes=scheme_by_name(header.scheme).classes,
        input_shape=header.input_shape,
        model_hash=weights_hash(model.state_dict()),
        training_data=header.training_data,
    )
    windows = _some_windows(header.input_shape)
    with torch.inference_mode():
        expected = model(windows).numpy()
    step, window = _export_step(model, windows[0, 0], described), _export_window(model, windows[:1], described)
    off = difference_of_step(step, windows, expected), difference_of_window(window, windows, expected)
    worst = float(np.max(off))
    if not worst <= TOLERANCE:  # nor where it is no number
        raise ModelError(
            f"The exported model {header.model} does not answer as the model does",
            why=f"a logit is off by {worst:.2g}, and {TOLERANCE:g} is allowed",
            fix="Check that the weights are finite; otherwise report it",
        )
    return Exported(described, step, window, worst)


def difference_of_step(step: bytes, windows: Tensor, expected: np.ndarray) -> float:
    """The largest difference between `expected` (N, K) and the logits after the last frame of windows (N, T, ...)."""
    stream, answers = OnnxStep(step), []
    for frames in windows.numpy():
        stream.restart()
        answers.append([stream.step(frame)[0] for frame in frames[:, 0]][-1])
    return float(np.abs(np.stack(answers) - expected).max())


def difference_of_window(window: bytes, windows: Tensor, expected: np.ndarray) -> float:
    """As `difference_of_step`, of a window file."""
    model = OnnxModel(window)
    answers = np.concatenate([model.run({"frames": frames[None]})[0] for frames in windows.numpy()])
    return float(np.abs(answers - expected).max())


def _export_step(model: EmotionModel, frame: Tensor, header: OnnxHeader) -> bytes:
    step = StreamingStep(model).eval()
    state, streams = step.start(2), torch.export.Dim("streams")
    return _export(
        step,
        (frame[None], *state),
        header,
        input_names=["frame", *step.state_names],
        output_names=["logits", *(NEXT + name for name in step.state_names)],
        dynamic_shapes={"frame": None, "state": tuple({0: streams} for _ in state)},
    )


def _export_window(model: EmotionModel, frames: Tensor, header: OnnxHeader) -> bytes:
    return _export(model, (frames,), header, input_names=["frames"], output_names=["logits"])


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
