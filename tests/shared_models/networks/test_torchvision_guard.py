import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from shared_models.networks import torchvision_guard
from shared_models.networks.torchvision_guard import import_torchvision

ROOT = Path(__file__).parents[3]
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def run_alone(script: str) -> None:
    """Runs `script` in a fresh interpreter: torchvision is imported once in the life of a process."""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_torchvision_is_importable_twice_and_declares_its_operators_once() -> None:
    first = import_torchvision()
    declared = list(torchvision_guard._DECLARED)
    assert import_torchvision() is first
    assert declared == torchvision_guard._DECLARED
    assert first.__name__ == "torchvision"
    assert all(hasattr(torch.ops.torchvision, name) for name in torchvision_guard._OPERATORS)


def test_what_a_build_has_declared_is_not_declared_again() -> None:
    import_torchvision()
    with pytest.raises(RuntimeError, match="multiple times"):
        torch.library.Library("torchvision", "FRAGMENT").define(f"nms{SCHEMA}")
    torchvision_guard._declare_missing_operators()


def test_beside_a_build_that_fits_nothing_is_declared() -> None:
    run_alone(
        "import torch\n"
        "library = torch.library.Library('torchvision', 'FRAGMENT')\n"
        f"for name in ('nms', 'qnms'): library.define(name + '{SCHEMA}')\n"
        "from shared_models.networks import torchvision_guard\n"
        "assert torchvision_guard.import_torchvision().models\n"
        "assert not torchvision_guard._DECLARED\n"
    )


def test_models_without_it_do_not_import_it() -> None:
    run_alone(
        "import sys\n"
        "from shared_models.networks.registry import build_model\n"
        "build_model('cnn-lstm', 7), build_model('cnn+cbam-convlstm', 7), build_model('rnn', 7)\n"
        "assert 'torchvision' not in sys.modules and 'opacus' not in sys.modules\n"
        "build_model('mobilenet-lstm', 7)\n"
        "assert 'torchvision' in sys.modules\n"
    )


def test_another_error_of_the_import_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fail(name: str) -> None:
        tried.append(name)
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="disk is gone"):
        import_torchvision()
    assert tried == ["torchvision"]
