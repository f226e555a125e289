"""Exported models with smaller weights: stored in 16 or 8 bits, and made float32 again once, when a file is loaded.

The arithmetic stays that of float32, which is the fast one on a CPU: onnxruntime has no float16 convolutions there, and
its int8 convolutions, whose inputs are quantised at every call, gain nothing on networks this small.
"""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

_FEWEST = 256
"""A tensor with fewer numbers stays as it is: there is nothing to gain."""
_LEVELS = 127
_Stored = tuple[list[TensorProto], list[NodeProto]]


def to_float16(exported: bytes) -> bytes:
    """Weights in half the room."""
    return _with_weights(exported, _in_half)


def to_int8(exported: bytes) -> bytes:
    """Weights in a quarter of the room: 255 levels between the extremes of each channel (Jacob et al. 2018, 2.1)."""
    return _with_weights(exported, _in_levels)


PRECISIONS: dict[str, Callable[[bytes], bytes]] = {"float16": to_float16, "int8": to_int8}


def _in_half(name: str, values: np.ndarray) -> _Stored:
    stored = numpy_helper.from_array(values.astype(np.float16), f"{name}_float16")
    return [stored], [_to_float32(stored.name, name)]


def _in_levels(name: str, values: np.ndarray) -> _Stored:
    channel = next(axis for axis, size in enumerate(values.shape) if size > 1)
    others = tuple(axis for axis in range(values.ndim) if axis != channel)
    scale = np.abs(values).max(axis=others, keepdims=True) / _LEVELS
    levels = np.rint(values / np.where(scale > 0, scale, 1)).astype(np.int8)
    stored = numpy_helper.from_array(levels, f"{name}_int8")
    factor = numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale")
    wide = f"{name}_levels"
    restored = onnx.helper.make_node("Mul", [wide, factor.name], [name])
    return [stored, factor], [_to_float32(stored.name, wide), restored]


def _with_weights(exported: bytes, store: Callable[[str, np.ndarray], _Stored]) -> bytes:
    """The same model, each large weight as `store` keeps it and behind the nodes that lead back from there."""
    model = onnx.load_from_string(exported)
    tensors, nodes = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        large = values.dtype == np.float32 and values.size >= _FEWEST
        stored, steps = store(tensor.name, values) if large else ([tensor], [])
        tensors += stored
        nodes += steps
    nodes += model.graph.node
    for field, content in ((model.graph.initializer, tensors), (model.graph.node, nodes)):
        del field[:]
        field.extend(content)
    data: bytes = model.SerializeToString()
    return data


def _to_float32(source: str, result: str) -> NodeProto:
    return onnx.helper.make_node("Cast", [source], [result], to=TensorProto.FLOAT)
