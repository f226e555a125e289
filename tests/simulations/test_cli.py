import json
import sys

import pytest

from simulations import cli


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, *arguments)


def test_every_command_and_option_has_help_an_example_and_a_line_in_the_documentation(check_documentation):
    check_documentation("fl-sim", cli.app)


def test_a_small_simulation_prints_only_json_and_writes_the_same(run, tmp_path, capsys):
    options = ["--clients", "2", "--per-client", "7", "--rounds", "2", "--model", "rnn", "--init", "random"]
    assert run("run", *options, "--out", tmp_path, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "result.json").read_text())
    assert printed["model"]["name"] == "rnn"


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--data", "nowhere"], 2, "There is no data source 'nowhere'"),
        (["--data", "manifest:gone.csv"], 11, "gone.csv"),
        (["--data", "ferplus:gone"], 11, "FERPlus"),
        (["--clients", "by-subject"], 2, "by-subject"),
        (["--clients", "0"], 2, "number of clients"),
        (["--clients", "3", "--cohort", "4"], 2, "larger than the population"),
        (["--holdout", "0.2", "--folds", "3"], 2, "not by both"),
        (["--epsilon", "0"], 10, "epsilon"),
        (["--epsilon", "inf"], 10, "epsilon"),
        (["--epsilon", "1e-9"], 13, "no noise reaches epsilon"),
        (["--set", "clip_norm=none"], 10, "clip_norm"),
        (["--trainable", "everything", "--clients", "1", "--per-client", "1"], 12, "trainable part"),
        (["--init", "gone.safetensors"], 12, "gone.safetensors"),
        (["--model", "transformer"], 12, "no model 'transformer'. Use one of: cnn, rnn"),
        (["--model", "rnn"], 12, "no starter weights for the model rnn and the scheme basic-7. Start from `random`"),
        (["--model", "rnn", "--init", "random", "--trainable", "all"], 12, "Use one of: classifier, head"),
        (["--population", "height"], 2, "no population 'height'"),
        (["--availability", "weekends"], 2, "no availability 'weekends'"),
        (["--algorithm", "fedsgd"], 2, "no algorithm 'fedsgd'"),
        (["--set", "aggregation.rule=mode"], 10, "aggregation setting rule"),
    ],
)
def test_bad_input_ends_in_one_sentence(run, tmp_path, capsys, options, code, sentence):
    assert run("run", "--out", tmp_path, *options) == code
    shown = " ".join(capsys.readouterr().err.split())
    assert sentence in shown
    assert "Traceback" not in shown
    assert sys.exc_info() == (None, None, None)


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--epsilon", ""], 2, "nothing to sweep"),
        (["--epsilon", "1e-9"], 13, "no noise reaches epsilon 1e-09"),
        (["--cohort", "11"], 2, "cohort of 11"),
        (["--unit", "frame"], 10, "grid.unit"),
        (["gone.toml"], 10, "gone.toml"),
    ],
)
def test_a_sweep_that_cannot_be_ends_in_one_sentence_before_anything_is_measured(
    run, tmp_path, capsys, options, code, sentence
):
    assert run("sweep", "--out", tmp_path / "sweep", *options) == code
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "sweep").exists()


def test_an_interrupted_sweep_says_how_to_go_on_and_a_finished_one_prints_only_json(run, tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("simulations.sweep.run.measure_all", interrupt)
    assert run("sweep", "--out", tmp_path) == 130
    assert "The same command goes on" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr("simulations.sweep.run.measure_all", lambda *_: None)
    assert run("sweep", "--out", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["points"] == 3
