"""`fl-server evaluate`: which model is scored, on what, and what is said of both."""

import json

import numpy as np
import pytest
import torch

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.setup import create_federation
from shared_models.data.labels import scheme_by_name
from shared_models.data.remembered import digests_of
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.registry import build_model
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash
from shared_models.privacy.ledger import GENESIS

TRAINED = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="some faces")


@pytest.fixture
def weights(tmp_path):
    """`weights(digests, name)`: a file of weights that remember these digests; gives its path."""

    def weights(seen=(), name="weights", header=TRAINED):
        torch.manual_seed(1)
        save_model(tmp_path / f"{name}.safetensors", build_model("cnn-lstm", 7), header, sorted(seen))
        return tmp_path / f"{name}.safetensors"

    return weights


@pytest.fixture
def fresh(tmp_path, benchmark_faces):
    """A federation as `fl-server init` leaves it, whose rounds are scored on a few faces."""
    create_federation(tmp_path / "fresh", {"benchmark": {"data": benchmark_faces}})
    return FederationFolder(tmp_path / "fresh")


@pytest.fixture
def study(small_study):
    """Two rounds, of which the first scores best."""
    for f1 in (0.9, 0.8):
        small_study.metrics = small_study.metrics | {"macro_f1": f1}
        small_study.round(0, 1)
    return small_study.folder


def files_in(folder):
    return {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}


def test_a_fresh_folder_evaluates_its_starting_weights_on_its_benchmark(fresh, evaluated, benchmark_faces):
    starter, _, _ = initial_model("starter", "cnn-lstm", "basic-7", (16, 1, 48, 48))
    before = files_in(fresh)
    facts = evaluated(fresh.root)
    assert files_in(fresh) == before, "it only reads"
    model = facts["model"]
    assert (model["source"], model["round"]) == ("initial", None)
    assert (model["hash"], model["parameters"]) == (weights_hash(starter.state_dict()), 641_090)
    assert (facts["data"]["spec"], facts["data"]["sequences"], facts["data"]["subjects"]) == (benchmark_faces, 12, 4)
    assert facts["data"]["trained_on"] == 0
    assert "no round yet" in facts["selection"]["how"]


def test_untrained_starting_weights_are_the_same_each_time(tmp_path, evaluated, benchmark_faces):
    create_federation(tmp_path / "s", {"benchmark": {"data": benchmark_faces}, "model": {"initial": "random"}})
    facts = evaluated(tmp_path / "s")
    assert facts == evaluated(tmp_path / "s")
    assert (facts["data"]["trained_on"], facts["data"]["subject_disjoint"]) == (0, True)


def test_a_round_and_an_evaluation_score_the_same(study, evaluated, benchmark_faces):
    """On the same sequences, and of a manifest both have the same."""
    scheme = scheme_by_name("basic-7")
    for round_ in (1, 2):
        model, record = Checkpoints(study.checkpoints).load(round_)
        as_a_round = Benchmark(load_benchmark(parse_spec(benchmark_faces), scheme), "classifier").score(model).to_dict()
        facts = evaluated(study.root, "--data", benchmark_faces, "--round", round_)
        assert facts["model"]["hash"] == record.model_hash
        for scores in facts["metrics"]["per_class"].values():
            scores.pop("accuracy")
        assert facts["metrics"] == as_a_round


def test_the_model_is_the_last_rounds_the_best_or_the_one_named(study, evaluated, faces):
    data = faces("others", ["p", "q"])
    for arguments, round_, by_scores in (([], 2, False), (["--round", "best"], 1, True), (["--round", 0], 0, False)):
        facts = evaluated(study.root, "--data", data, *arguments)
        assert (facts["model"]["round"], facts["selection"]["by_scores"]) == (round_, by_scores)
        assert facts["data"]["subject_disjoint"] is (True if round_ == 0 else None), "devices name nobody"


def test_or_that_of_a_file(fresh, evaluated, weights):
    model = evaluated(fresh.root, "--weights", weights())["model"]
    assert (model["source"], model["round"], model["training_data"]) == ("weights", None, "some faces")


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (2, ["--round", "1", "--weights", "some.safetensors"], "A weights file is of no round"),
        (2, ["--round", "last"], "There is no round 'last'"),
        (2, ["--data", "nothing"], "There is no data source 'nothing'"),
        (2, ["--out", "page.pdf"], "'page.pdf' ends in none of .html, .md, .json, .svg"),
        (25, ["--round", "best"], "There is no round to choose from"),
        (15, ["--round", "7"], "There is no checkpoint of round 7"),
        (12, ["--weights", "nowhere.safetensors"], "The weights file nowhere.safetensors cannot be used"),
        (11, ["--data", "ferplus:nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(fresh, run, capsys, code, arguments, words):
    assert run(fresh.root, *arguments) == code
    assert words in " ".join(capsys.readouterr().err.split())


def test_where_there_is_no_federation_it_says_so(tmp_path, run):
    assert run(tmp_path / "nowhere") == 10


def test_sequences_that_were_trained_on_are_counted_and_left_out(fresh, evaluated, weights, sequences, benchmark_faces):
    data = sequences(benchmark_faces)
    leaked = weights(data.digests[:3])
    facts = evaluated(fresh.root, "--weights", leaked)
    assert (facts["data"]["trained_on"], facts["data"]["sequences"]) == (3, 9)
    assert facts["data"]["subject_disjoint"] is False, "these three were of somebody"
    assert sum(scores["support"] for scores in facts["metrics"]["per_class"].values()) == 9
    clean = evaluated(fresh.root, "--weights", weights(["00000000000000aa"], "clean"))
    assert (clean["data"]["trained_on"], clean["data"]["sequences"]) == (0, 12)


def test_where_everything_was_trained_on_nothing_is_scored(fresh, run, capsys, weights, sequences, benchmark_faces):
    assert run(fresh.root, "--weights", weights(sequences(benchmark_faces).digests)) == 11
    assert "trained on all of the 12 sequences" in " ".join(capsys.readouterr().err.split())


def test_trained_weights_that_remember_nothing_are_not_taken_for_clean(fresh, run, evaluated, capsys, weights):
    facts = evaluated(fresh.root, "--weights", weights())
    assert (facts["data"]["trained_on"], facts["data"]["subject_disjoint"]) == (None, None)
    assert run(fresh.root, "--weights", weights()) == 0
    assert "What the weights were trained on is not recorded" in " ".join(capsys.readouterr().out.split())


def test_people_who_were_trained_on_are_met_again(fresh, evaluated, weights, sequences, faces):
    trained = sequences(faces("training", ["p1", "x"]))
    facts = evaluated(fresh.root, "--weights", weights(digests_of("manifest", trained)))
    assert (facts["data"]["trained_on"], facts["data"]["subject_disjoint"]) == (0, False)
    others = faces("others", ["a", "b"])
    facts = evaluated(fresh.root, "--data", others, "--weights", weights(digests_of("manifest", trained)))
    assert facts["data"]["subject_disjoint"] is True


def test_a_round_remembers_what_its_starting_weights_were_trained_on(
    fresh, evaluated, weights, sequences, benchmark_faces
):
    path = weights(sequences(benchmark_faces).digests[:2])
    model, header, _ = load_model(path)
    scores = Benchmark(sequences(benchmark_faces)).score(model).to_dict()
    Checkpoints(fresh.checkpoints).save(0, model, header, scores, GENESIS)
    text = fresh.settings.read_text()
    fresh.settings.write_text(text.replace('initial = "starter"', f'initial = "{path}"'))
    facts = evaluated(fresh.root)
    assert (facts["model"]["round"], facts["data"]["trained_on"]) == (0, 2)
    save_model(path, build_model("cnn-lstm", 7), header, ["00000000000000aa"])  # other weights in their place
    assert evaluated(fresh.root)["data"]["trained_on"] is None
    path.unlink()
    assert evaluated(fresh.root)["data"]["trained_on"] is None


def test_choosing_and_reporting_on_one_manifest_is_said(fresh, run, evaluated, capsys, benchmark_faces, faces):
    assert evaluated(fresh.root)["selection"] == {
        "how": "the federation's starting weights, `starter`: there is no round yet",
        "by_scores": False,
        "data": benchmark_faces,
        "same_data": True,
    }
    assert run(fresh.root) == 0
    assert "Choosing and reporting fell on the same split" in " ".join(capsys.readouterr().out.split())
    others = faces("others", ["a", "b"])
    assert evaluated(fresh.root, "--data", others)["selection"]["same_data"] is False


def test_baselines_are_those_of_the_scored_sequences(fresh, evaluated, faces):
    facts = evaluated(fresh.root, "--data", faces("others", ["a"] * 8))  # eight sequences: the first class twice
    assert facts["baselines"]["majority"]["accuracy"] == facts["baselines"]["per_person"]["accuracy"] == 0.25
    assert facts["intervals"]["accuracy"] is None, "one person says nothing of others"
    unnamed = evaluated(fresh.root, "--data", faces("unnamed", ["", "", "a"]))
    assert (unnamed["baselines"]["per_person"], unnamed["data"]["subjects"]) == (None, None)


def test_progress_goes_to_standard_error_and_tables_to_standard_output(fresh, run, capsys, tmp_path):
    path = tmp_path / "evaluation.json"
    assert run(fresh.root, "--out", path) == 0
    told = capsys.readouterr()
    assert "scoring: 12 of 12" in told.err
    assert "scoring" not in told.out
    for words in ("Each emotion against the rest", "happiness", "Own mode", "Chosen", path.name):
        assert words in told.out
    assert json.loads(path.read_text())["model"]["source"] == "initial"


def test_the_model_is_scored_once(fresh, evaluated, monkeypatch):
    calls = []
    once = Benchmark.probabilities
    monkeypatch.setattr(Benchmark, "probabilities", lambda *given, **named: calls.append(1) or once(*given, **named))
    facts = evaluated(fresh.root)
    assert calls == [1]
    assert np.sum(facts["metrics"]["confusion"]) == 12
