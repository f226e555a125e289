import json

import pytest

from simulations import cli

TINY = ["--clients", "5", "--per-client", "2", "--rounds", "1", "--seeds", "1", "--share", "0.2"]


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, "attack", *arguments)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("poisoning", [*TINY, "--attack", "sign-flip", "--defence", "median"]),
        ("free-riders", [*TINY, "--attack", "zeros", "--defence", "none"]),
        ("membership", ["--people", "2", "--models", "4", "--pools", "1", "--rounds", "1", "--set", "steps=1"]),
    ],
)
def test_a_command_prints_only_json_and_writes_the_same(small_population, run, tmp_path, capsys, name, options) -> None:
    assert run(name, *options, "--out", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / f"{name}.json").read_text())


def test_the_table_is_printed_as_it_is_written(monkeypatch, run, tmp_path, capsys) -> None:
    asked = []
    cell = {"attack": "zeros", "share": 0.2, "defence": "none", "accuracy_lost": {"mean": 1.25, "sd": 0.5}}
    result = {"cells": [cell], "seeds": [4]}
    monkeypatch.setattr("simulations.attacks.table.run_table", lambda options, *_: asked.append(options) or result)
    assert run("table", *TINY, "--seed", "4", "--out", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == result
    assert run("table", *TINY, "--seed", "4", "--out", tmp_path) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown if line.strip()][-3:-1] == [
        ["zeros", "20", "%", "1.2"],
        ["accuracy", "lost", "±", "0.5"],
    ]
    assert (asked[0].scenario.clients, asked[0].shares, asked[0].seeds, asked[0].seed) == (5, (0.2,), 1, 4)


def test_people_read_a_table(small_population, run, tmp_path, capsys) -> None:
    options = [*TINY, "--attack", "sign-flip", "--defence", "median", "--out", tmp_path]
    assert run("poisoning", *options) == 0
    shown = capsys.readouterr().out
    assert "sign-flip" in shown
    assert "lost" in shown
    assert str(tmp_path / "poisoning.json") in shown
    assert (
        run("membership", "--models", "4", "--pools", "1", "--rounds", "1", "--set", "steps=1", "--out", tmp_path) == 0
    )
    assert "epsilon 8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["poisoning", "--attack", "lies"], 2, "There is no attack 'lies'"),
        (["free-riders", "--attack", "scaled"], 2, "There is no attack 'scaled'"),
        (["poisoning", "--defence", "hope"], 2, "There is no defence 'hope'"),
        (["poisoning", "--share", "1.2"], 2, "1.2 is no share of attackers among 20 devices"),
        (["table", "--share", "0"], 2, "0 is no share"),
        (["membership", "--models", "3"], 2, "3 models cannot be references"),
        (["membership", "--epsilon", "-1"], 13, "epsilon"),
        (["poisoning", "--set", "aggregation.trim=2"], 10, "trim"),
        (["table", "--set", "unit=participant", "--set", "update_clip=1.0"], 2, "unit `sequence` only"),
    ],
)
def test_bad_input_ends_in_one_sentence(run, tmp_path, capsys, options, code, sentence) -> None:
    assert run(*options, "--out", tmp_path) == code
    shown = " ".join(capsys.readouterr().err.split())
    assert sentence in shown
    assert "Traceback" not in shown
