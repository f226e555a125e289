"""The short form of the benchmark: its form, and that it goes the device's own way; never its timings."""

import json

import pytest

from shared_models.errors import SettingsError
from simulations import cli
from simulations.bench import inference as module

KEYS = [
    "stream_step_ms",
    "stream_step_ms_p95",
    "window_ms",
    "eager_window_ms",
    "pipeline_ms",
    "pipeline_ms_p50",
    "pipeline_ms_p95",
    "core_share",
    "max_abs_diff",
    "fps",
    "frames",
    "usable_frames",
    "detector",
    "model",
]


@pytest.fixture(autouse=True)
def short(monkeypatch, starter):
    monkeypatch.setattr(module, "export_onnx", lambda model, header: starter[1])
    monkeypatch.setattr(module, "_PERFORMED", ("happiness",))
    monkeypatch.setattr(module, "_STEPS", 24)
    monkeypatch.setattr(module, "_WINDOWS", 2)


def test_the_command_prints_every_figure(leave, capsys) -> None:
    assert leave(cli.run, "bench", "inference", "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    assert list(measured) == KEYS
    assert measured["max_abs_diff"] < 1e-4
    assert measured["frames"] == 20
    assert 16 < measured["usable_frames"] <= 20
    assert all(measured[key] > 0 for key in KEYS if key.endswith("_ms"))
    assert measured["core_share"] == pytest.approx(measured["pipeline_ms"] * 8 / 1000, abs=1e-4)
    assert (measured["detector"], measured["model"]) == ("haar", "cnn-lstm")


def test_the_meter_counts_what_is_done_with_each_frame() -> None:
    source = module.Metered([(i / 8, frame) for i, frame in enumerate(range(3))])
    for _, frame in source:
        if frame == 1:
            sum(range(3_000_000))
    assert len(source.spent) == 3
    assert source.spent[1] > 5 * max(source.spent[0], source.spent[2])


def test_a_face_model_that_is_none_is_named(tmp_path, leave, capsys) -> None:
    with pytest.raises(SettingsError, match=r"none\.onnx cannot be used"):
        module._finder(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    assert leave(cli.run, "bench", "inference", "--face-model", tmp_path / "broken.onnx") == 10
    assert "broken.onnx cannot be used" in capsys.readouterr().err
