"""Every listed model, exported as it is handed out: minutes. `make exports` prints the table of docs/models.md."""

import pytest
import torch

from shared_models.networks.names import FAMILY
from shared_models.networks.onnx_export import TOLERANCE, export_onnx
from shared_models.networks.registry import build_model
from shared_models.networks.streaming import streams
from shared_models.networks.weights import WeightsHeader

SHAPE = (16, 1, 48, 48)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
def test_every_model_exports(name: str) -> None:
    torch.manual_seed(8)
    model = build_model(name, 7).eval()
    header = WeightsHeader(model=name, scheme="basic-7", input_shape=SHAPE, training_data="none")
    exported = export_onnx(model, header)
    assert exported.max_abs_diff <= TOLERANCE
    assert (exported.step is not None) == streams(model)
    files = "step and window" if exported.step else "window"
    print(f"| `{name}` | {files} | {len(exported.window) / 1e6:.2f} | {exported.max_abs_diff:.0e} |")
