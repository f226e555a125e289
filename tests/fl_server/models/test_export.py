"""`fl-server models export`: the right round's model, files that answer as it does, and smaller ones where they pay."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_server import cli
from fl_server.checkpoint import Checkpoints
from fl_server.models import export as module
from fl_server.models.export import Precision, pays
from fl_server.models.promotion import promote
from fl_server.setup import create_federation
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.errors import ModelError
from shared_models.networks.onnx_runtime import OnnxModel, OnnxStep

FULL = Precision(
    precision="float32",
    accuracy=0.9,
    uar=0.8,
    macro_f1=0.8,
    step_bytes=100,
    window_bytes=100,
    step_ms=1.0,
    kept=True,
)


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, "models", "export", *arguments)


@pytest.fixture
def study(small_study):
    """Two rounds; the first is the best."""
    for f1 in (0.9, 0.8):
        small_study.metrics = small_study.metrics | {"macro_f1": f1}
        small_study.round(0, 1)
    return small_study


@pytest.fixture
def quick(monkeypatch, starter):
    """The exporter takes seconds: here every model is exported as the starter weights are."""
    monkeypatch.setattr(module, "export_onnx", lambda model, header: starter[1])


def exported(run, capsys, *arguments):
    capsys.readouterr()
    assert run(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_the_files_answer_as_the_checkpoint_does(run, study, capsys):
    facts = exported(run, capsys, study.folder.root, "--round", 2)
    model, record = Checkpoints(study.folder.checkpoints).load(2)
    assert (facts["round"], facts["model_hash"]) == (2, record.model_hash)
    assert facts["max_abs_diff"] <= facts["tolerance"] == 1e-4
    step_file, window_file = (Path(name) for name in facts["files"])
    assert step_file.parent == study.folder.root / "export"
    window, step = OnnxModel(window_file.read_bytes()), OnnxStep(step_file.read_bytes())
    assert window.header.model_hash == record.model_hash
    frames = np.random.default_rng(0).random(window.header.input_shape, dtype=np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(frames)[None]).numpy()
    step.restart()
    for frame in frames[:, 0]:
        logits = step.step(frame)
    np.testing.assert_allclose(window.run({"frames": frames[None]})[0], expected, atol=1e-4)
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_the_promoted_model_goes_before_the_best_one(run, study, capsys, quick):
    assert exported(run, capsys, study.folder.root)["round"] == 1
    promote(study.folder, 2)
    assert exported(run, capsys, study.folder.root)["round"] == 2
    assert exported(run, capsys, study.folder.root, "--round", 0)["round"] == 0


def test_smaller_weights_are_scored_and_written_where_they_pay(run, study, tmp_path, capsys, quick, monkeypatch):
    rng, scheme = np.random.default_rng(0), scheme_by_name("basic-7")
    frames = rng.integers(0, 256, (7, 16, 1, 48, 48), dtype=np.uint8)
    data = Sequences(scheme, frames, np.eye(7, dtype=np.float32), (None,) * 7, tuple("abcdefg"))
    monkeypatch.setattr(module, "load_benchmark", lambda *_: data)
    monkeypatch.setattr(module, "pays", lambda row, full: row.precision == "float16")
    facts = exported(run, capsys, study.folder.root, "--float16", "--int8", "--out", tmp_path / "out")
    assert [(row["precision"], row["kept"]) for row in facts["precisions"]] == [
        ("float32", True),
        ("float16", True),
        ("int8", False),
    ]
    full, half, _ = facts["precisions"]
    assert half["step_bytes"] < full["step_bytes"]
    assert 0 <= full["macro_f1"] <= 1
    assert full["step_ms"] > 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"cnn-lstm-basic-7-round-1-{kind}{suffix}.onnx" for kind in ("step", "window") for suffix in ("", "-float16")
    )
    assert run(study.folder.root, "--int8", "--out", tmp_path / "again") == 0
    assert "does not pay" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "pay"),
    [
        ({"step_bytes": 50}, True),
        ({"step_bytes": 50, "macro_f1": 0.796, "step_ms": 1.2}, True),
        ({"step_bytes": 100}, False),
        ({"step_bytes": 50, "macro_f1": 0.79}, False),
        ({"step_bytes": 50, "step_ms": 1.3}, False),
    ],
)
def test_it_pays_where_it_is_smaller_scores_as_well_and_is_as_fast(changes, pay):
    assert pays(FULL.model_copy(update=changes), FULL) == pay


def test_a_model_that_does_not_come_out_right_leaves_no_file(run, study, monkeypatch, capsys):
    def wrong(model, header):
        raise ModelError("The exported model cnn-lstm does not answer as the model does")

    monkeypatch.setattr(module, "export_onnx", wrong)
    assert run(study.folder.root) == 12
    assert not (study.folder.root / "export").exists()


def test_what_cannot_be_exported_is_said(run, study, tmp_path, capsys):
    assert run(study.folder.root, "--format", "tflite") == 2
    Checkpoints(study.folder.checkpoints).drop_weights(1)
    assert run(study.folder.root, "--round", 1) == 15
    create_federation(tmp_path / "fresh", {})
    assert run(tmp_path / "fresh") == 25
    assert "There is no model yet" in capsys.readouterr().err
