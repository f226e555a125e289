"""Every model of the family as one ONNX graph of a whole window. It belongs beside the export once that is there."""

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch

from shared_models.networks.names import FAMILY
from shared_models.networks.registry import build_model

TIME, SIZE = 4, 32


@pytest.mark.parametrize("name", FAMILY)
def test_a_window_is_answered_alike_by_onnxruntime(name: str) -> None:
    torch.manual_seed(8)
    model = build_model(name, 7).eval()
    frames = torch.rand(1, TIME, 1, SIZE, SIZE)
    with torch.inference_mode():
        expected = model(frames).numpy()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is deprecated, and warns of batches that it fixes
        torch.onnx.export(model, (frames,), file, dynamo=False, input_names=["frames"], output_names=["logits"])
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"frames": frames.numpy()})
    np.testing.assert_allclose(found, expected, atol=1e-4)
