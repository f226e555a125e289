import json

import pytest

from fl_server import cli
from fl_server.checkpoint import Checkpoints


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, "models", *arguments)


@pytest.fixture
def study(small_study):
    """Three rounds; the second is the best, the first has no weights any more."""
    for f1 in (0.2, 0.9, 0.8):
        small_study.metrics = small_study.metrics | {"macro_f1": f1}
        small_study.round(0, 1)
    Checkpoints(small_study.folder.checkpoints).drop_weights(1)
    return small_study


def listed(run, study, capsys):
    capsys.readouterr()
    assert run("list", study.folder.root, "--json") == 0
    return json.loads(capsys.readouterr().out)


def marked(models, mark):
    return [model["round"] for model in models if model[mark]]


def test_the_list_says_which_model_is_what(run, study, capsys):
    models = listed(run, study, capsys)
    assert [model["round"] for model in models] == [0, 1, 2, 3]
    assert [model["macro_f1"] for model in models[1:]] == [0.2, 0.9, 0.8]
    assert marked(models, "weights") == [0, 2, 3]
    assert (marked(models, "best"), marked(models, "promoted"), marked(models, "current")) == ([2], [], [3])
    assert run("promote", study.folder.root, 2) == 0
    assert run("rollback", study.folder.root, 0) == 0
    models = listed(run, study, capsys)
    assert (marked(models, "best"), marked(models, "promoted"), marked(models, "current")) == ([2], [2], [0])


def test_a_damaged_record_is_shown_as_one(run, study, capsys):
    (study.folder.checkpoints / "round-00002" / "checkpoint.json").write_bytes(b"{}")
    models = listed(run, study, capsys)
    assert (marked(models, "damaged"), marked(models, "best")) == ([2], [3])
    assert models[2]["macro_f1"] is None
    assert run("list", study.folder.root) == 0
    assert "damaged" in capsys.readouterr().out
    assert run("show", study.folder.root, 2) == 15


def test_what_is_printed_can_be_read(run, study, capsys):
    assert run("list", study.folder.root) == 0
    text = capsys.readouterr().out
    assert "removed" in text
    assert "best" in text
    assert run("show", study.folder.root, 2) == 0
    text = capsys.readouterr().out
    assert "Round 2 (best)" in text
    assert all(name in text for name in study.metrics["per_class"])


def test_show_gives_the_whole_record_as_json(run, study, capsys):
    assert run("show", study.folder.root, 1, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    record = Checkpoints(study.folder.checkpoints).record(1)
    assert (facts["model_hash"], facts["metrics"], facts["weights"]) == (record.model_hash, record.metrics, False)


def test_going_back_says_that_nothing_is_refunded(run, study, capsys):
    assert run("rollback", study.folder.root, 2) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Round 4 will start from the model of round 2" in text
    assert "Nothing is refunded" in text
    assert run("rollback", study.folder.root, 1) == 15
    assert run("rollback", study.folder.root, 2) == 2
    assert run("rollback", study.folder.root, -1) == 2


@pytest.mark.parametrize("arguments", [["list"], ["show", 1], ["promote", 1], ["rollback", 1]])
def test_where_there_is_no_federation_it_says_so(run, tmp_path, arguments, capsys):
    name, *rest = arguments
    assert run(name, tmp_path / "nowhere", *rest) == 10
    assert "There is no federation in" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
