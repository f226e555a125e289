"""`fl-server models export`: the right model, files that answer as it does, and smaller ones where they pay."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_server import cli
from fl_server.checkpoint import Checkpoints
from fl_server.models import export as module
from fl_server.models import precisions
from fl_server.models.export import ModelExport
from fl_server.models.precisions import Form, Precision, compare, pays, precisions_sheet
from fl_server.models.promotion import promote
from fl_server.setup import create_federation
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.errors import ModelError
from shared_models.networks.onnx_precision import to_int8
from shared_models.networks.onnx_runtime import OnnxHeader, OnnxModel, OnnxStep
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, save_model

FULL = Precision(
    precision="float32",
    accuracy=0.9,
    uar=0.8,
    macro_f1=0.8,
    step_bytes=100,
    window_bytes=100,
    step_ms=1.0,
    window_ms=10.0,
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
def faces():
    """A sequence of noise for each class."""
    frames = np.random.default_rng(0).integers(0, 256, (7, 16, 1, 48, 48), dtype=np.uint8)
    return Sequences(scheme_by_name("basic-7"), frames, np.eye(7, dtype=np.float32), (None,) * 7, tuple("abcdefg"))


def save_untrained(path, name, scheme="basic-7"):
    labels = scheme_by_name(scheme)
    header = WeightsHeader(model=name, scheme=scheme, input_shape=(16, 1, 48, 48), training_data="none")
    save_model(path, build_model(name, len(labels.classes), labels.output), header)
    return path


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


def test_before_the_first_start_it_is_the_model_that_the_federation_starts_from(run, tmp_path, capsys, quick, starter):
    create_federation(tmp_path / "fresh", {})
    for chosen in ((), ("--round", 0)):
        facts = exported(run, capsys, tmp_path / "fresh", *chosen)
        assert (facts["round"], facts["model_hash"]) == (0, starter[1].header.model_hash)
    create_federation(tmp_path / "other", {"model": {"name": "rnn"}})
    assert run(tmp_path / "other") == 12
    assert "no starter weights for the model rnn" in capsys.readouterr().err


def test_a_model_that_does_not_stream_is_a_window_and_said_to_be_no_more(run, study, tmp_path, capsys):
    weights = save_untrained(tmp_path / "still.safetensors", "pixels")
    assert run(study.folder.root, "--weights", weights) == 0
    told = capsys.readouterr().out
    assert told.startswith("still.safetensors: pixels, scheme basic-7")
    assert "does not stream: there is no step, and live reading needs a model that does" in told
    [file] = (study.folder.root / "export").iterdir()
    assert file.name == "still-window.onnx"
    facts = exported(run, capsys, study.folder.root, "--weights", weights)
    assert (facts["round"], facts["streams"], facts["files"]) == (None, False, [str(file)])


def test_numbers_that_are_no_classes_are_exported_and_not_scored(run, study, tmp_path, capsys):
    weights = save_untrained(tmp_path / "mood.safetensors", "pixels", "valence-arousal")
    facts = exported(run, capsys, study.folder.root, "--weights", weights)
    assert (facts["classes"], facts["output"]) == (["valence", "arousal"], "values")
    assert run(study.folder.root, "--weights", weights, "--int8") == 2
    assert "not scored for the output values" in capsys.readouterr().err


def test_without_a_step_the_window_decides_what_pays(starter, faces, monkeypatch):
    window = starter[1].window
    monkeypatch.setattr(precisions, "_TIMED", 12)
    rows = compare([Form("float32", None, window), Form("int8", None, to_int8(window))], faces, lambda *told: None)
    assert [row.step_bytes for row in rows] == [row.step_ms for row in rows] == [None, None]
    assert rows[0].cost == (len(window), rows[0].window_ms)
    full = FULL.model_copy(update={"step_bytes": None, "step_ms": None})
    assert pays(full.model_copy(update={"window_bytes": 50}), full)
    assert not pays(full.model_copy(update={"window_bytes": 50, "window_ms": 13.0}), full)
    assert precisions_sheet(rows, "faces").headings[-3:] == ("window's MB", "ms a window", "")


def test_smaller_weights_are_scored_and_written_where_they_pay(run, study, tmp_path, capsys, quick, faces, monkeypatch):
    monkeypatch.setattr(module, "load_benchmark", lambda *_: faces)
    monkeypatch.setattr(precisions, "pays", lambda row, full: row.precision == "float16")
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
    assert run(study.folder.root, "--round", 1, "--weights", tmp_path / "w") == 2
    assert run(study.folder.root, "--weights", tmp_path / "w") == 12
    Checkpoints(study.folder.checkpoints).drop_weights(1)
    assert run(study.folder.root, "--round", 1) == 15
    Checkpoints(study.folder.checkpoints).drop_weights(0)
    Checkpoints(study.folder.checkpoints).drop_weights(2)
    assert run(study.folder.root) == 25
    assert "There is no model to export: no round's weights are kept" in capsys.readouterr().err


def test_every_field_is_documented():
    text = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", text))
    for kind in (ModelExport, Precision, OnnxHeader):
        assert set(kind.model_fields) <= documented
