"""`fl-server evaluate --compare`, as a person types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fl_server import cli
from fl_server.evaluation import comparing
from fl_server.evaluation.comparison import parse_seeds
from fl_server.pretraining.recipe import recipe_with
from fl_server.settings import parse_entries
from fl_server.setup import create_federation
from shared_models.data.sequences import Sequences
from shared_models.data.splits import HeldOut
from shared_models.errors import UsageError
from shared_models.evaluation.comparison import Comparison

SHORT = ("--set", "sequence_epochs=1", "--set", "views=1", "--set", "frame_epochs=1")


@pytest.fixture
def run(
    leave: Callable[..., int], public: None, held_out: Sequences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    create_federation(tmp_path / "study", parse_entries([]))
    monkeypatch.setattr(comparing, "load_held_out", lambda *_: HeldOut(held_out, "twelve people"))
    return lambda *arguments: leave(cli.run, "evaluate", tmp_path / "study", *arguments)


def test_one_command_trains_scores_and_prints(run, tmp_path: Path, capsys) -> None:
    capsys.readouterr()
    assert run("--compare", "cnn,rnn,cnn-lstm", "--seeds", "3,4", *SHORT, "--json") == 0
    facts = Comparison.model_validate(json.loads(capsys.readouterr().out))
    assert [(model.name, [one.seed for one in model.runs]) for model in facts.models] == [
        (name, [3, 4]) for name in ("cnn", "rnn", "cnn-lstm")
    ]
    assert facts.training is not None
    assert facts.training.recipe == recipe_with({"sequence_epochs": 1, "views": 1, "frame_epochs": 1}).model_dump()
    assert len(list((tmp_path / "study" / "compared").glob("*.safetensors"))) == 6

    assert run("--compare", "cnn,rnn,cnn-lstm", "--seeds", "3,4", *SHORT) == 0
    shown = capsys.readouterr()
    assert "All emotions" in shown.out
    assert "F1 by emotion" in shown.out
    said = " ".join(shown.out.split())
    assert "frame_epochs 1," in said
    assert all(f"{model.parameters:,} parameters; encoder: {model.encoder}" in said for model in facts.models)
    assert "temporal" not in shown.err, "what is there is not trained again"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--compare", "cnn,gnn"), 12),
        (("--compare", "cnn", "--seeds", "1,1"), 2),
        (("--compare", "cnn", "--set", "epochs=3"), 2),
        (("--compare", "cnn", "--train-on", "nowhere"), 2),
        (("--compare", "missing.safetensors"), 12),
        (("--compare", "cnn", "--out", "comparison.svg"), 2),
        (("--compare", "cnn", "--explain", "3"), 2),
        (("--seeds", "1,2"), 2),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(run, tmp_path: Path, capsys, arguments, code: int) -> None:
    assert run(*arguments) == code
    shown = capsys.readouterr()
    assert "error:" in shown.err
    assert "encoder:" not in shown.err


@pytest.mark.parametrize("text", ["", "a", "1,", "-1", "1,1", "1.5"])
def test_seeds_are_whole_numbers_each_named_once(text: str) -> None:
    with pytest.raises(UsageError, match="0,1,2"):
        parse_seeds(text)
    assert parse_seeds("0, 12") == (0, 12)
