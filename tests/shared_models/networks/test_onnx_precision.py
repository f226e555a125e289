"""Smaller weights: less room, nearly the same answers, and the same shape of file."""

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from shared_models.networks.onnx_export import difference_of_step, difference_of_window
from shared_models.networks.onnx_precision import PRECISIONS, to_int8
from shared_models.networks.onnx_runtime import OnnxModel


@pytest.mark.parametrize(("precision", "room", "off"), [("float16", 0.55, 0.01), ("int8", 0.35, 0.2)])
def test_weights_take_less_room_and_mean_nearly_the_same(starter, precision, room, off):
    model, exported = starter
    windows = torch.rand(1, 16, 1, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(windows).numpy()
    for file, difference in ((exported.step, difference_of_step), (exported.window, difference_of_window)):
        small = PRECISIONS[precision](file)
        assert len(small) < room * len(file)
        assert 0 < difference(small, windows, expected) < off
        assert OnnxModel(small).inputs == OnnxModel(file).inputs
        assert OnnxModel(small).header == exported.header


def test_a_channel_of_zeros_stays_zero():
    weight = np.zeros((2, 200), np.float32)
    weight[1] = np.linspace(-1, 1, 200)
    node = onnx.helper.make_node("MatMul", ["x", "weight"], ["y"])
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size])
        for name, size in (("x", 2), ("y", 200))
    )
    graph = onnx.helper.make_graph([node], "one", [x], [y], [onnx.numpy_helper.from_array(weight, "weight")])
    opset = [onnx.helper.make_opsetid("", 18)]
    small = to_int8(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())
    [product] = ReferenceEvaluator(onnx.load_from_string(small)).run(None, {"x": np.ones((1, 2), np.float32)})
    np.testing.assert_allclose(product[0], weight[1], atol=1 / 127)
