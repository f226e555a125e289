import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from fl_server.settings import policy_settings
from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from shared_models.errors import AttuneError, DataError, UsageError
from simulations.populations import Plan, Population, populate, seen_in_pretraining
from simulations.run import Options, run_simulation

FIELDS = {"data", "model", "initial_metrics", "metrics", "baselines", "claims", "cost", "versions", "seed"}
VOTES = {"neutral": 0, "happiness": 1, "sadness": 3}


def options(data: str, **changed: object) -> Options:
    facts: dict[str, object] = {
        "data": data,
        "plan": Plan(clients="2", per_client=4, alpha=1.0, holdout=0.4, seed=0),
        "folds": 1,
        "cohort": None,
        "rounds": 2,
        "unit": "sequence",
        "gradients": "fast",
        "policy": policy_settings(["steps=1"], epsilon=8.0, delta=1e-5, max_sequences=4),
        "model": "cnn-lstm",
        "trainable": "classifier",
        "initial": "random",
        "baseline": True,
        "engine": "local",
        "workers": 0,
    }
    return Options(**(facts | changed))  # type: ignore[arg-type]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A made-up FERPlus copy: enough different images that both sides of the split get some."""
    rng = np.random.default_rng(0)
    for split, count in (("FER2013Train", 300), ("FER2013Valid", 12)):
        folder = tmp_path / "faces" / split
        folder.mkdir(parents=True)
        rows = []
        for i in range(count):
            cv2.imwrite(str(folder / f"fer{i}.png"), rng.integers(0, 256, (48, 48), dtype=np.uint8))
            votes = [0] * 10
            votes[list(VOTES.values())[i % 3]] = 10
            rows.append(f'fer{i}.png,"(0, 0, 48, 48)",' + ",".join(map(str, votes)))
        (folder / "label.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "faces"


def test_the_result_has_the_form_of_every_run(faces: Path, tmp_path: Path) -> None:
    result = run_simulation(options(f"ferplus:{faces}"), tmp_path, lambda *_: None)
    assert result == json.loads((tmp_path / "result.json").read_text())
    assert result.keys() >= FIELDS
    assert result["data"]["subject_disjoint"] is None
    assert result["baselines"]["non_private"].keys() == {"accuracy", "uar", "macro_f1"}
    assert result["baselines"]["per_person"] is None, "nobody is named"
    assert result["claims"][0].keys() == {
        "observer", "unit", "adjacency", "epsilon", "delta", "status", "assumption"
    }  # fmt: skip
    assert result["claims"][0]["status"] == "simulated"
    assert 7.9 < result["claims"][0]["epsilon"] <= 8
    assert result["cost"]["upload_bytes_per_update"] == 4 * result["model"]["trained_parameters"]


def test_pretraining_and_clients_share_no_image(faces: Path) -> None:
    from shared_models.data.splits import load_public

    spec, scheme = parse_spec(f"ferplus:{faces}"), scheme_by_name("basic-8")
    public, _ = load_public(spec, scheme, seed=0)
    clients = populate(spec, scheme, Plan("2", 4, 1.0, 0.2, 0)).clients
    assert seen_in_pretraining(clients, frozenset(public.digests)) == 0
    assert seen_in_pretraining(clients, frozenset(clients[0].digests)) == 4


def test_a_claim_over_data_that_pretraining_saw_is_broken_and_has_no_number(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulations.run.seen_in_pretraining", lambda clients, seen: 3)
    result = run_simulation(options(f"ferplus:{faces}", baseline=False), tmp_path, lambda *_: None)
    sequence = [claim for claim in result["claims"] if claim["unit"] == "sequence"]
    assert {claim["status"] for claim in sequence} == {"assumption_broken"}
    assert {claim["epsilon"] for claim in sequence} == {None}
    assert "3 of the clients' sequences" in sequence[0]["assumption"]
    assert result["baselines"]["non_private"] is None


def test_without_noise_nothing_is_claimed(faces: Path, tmp_path: Path) -> None:
    result = run_simulation(options(f"ferplus:{faces}", unit="none"), tmp_path, lambda *_: None)
    assert {claim["status"] for claim in result["claims"]} == {"not_claimed"}
    assert {claim["epsilon"] for claim in result["claims"]} == {None}


def test_nobody_who_trains_is_scored_on_whatever_the_seed() -> None:
    scheme = scheme_by_name("basic-7")
    for seed in range(3):
        population = populate(parse_spec("synthetic"), scheme, Plan("2", 7, 1.0, 0.2, seed))
        assert population.subject_disjoint is True
        assert Population([population.held_out], population.held_out, "the same people").subject_disjoint is False


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A manifest of five people with three made-up faces each."""
    rng, rows = np.random.default_rng(0), ["clip_id,subject_id,label,path,faces"]
    for person in range(5):
        for face, label in enumerate(("happiness", "sadness", "neutral")):
            name = f"{person}-{face}.png"
            cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (48, 48), dtype=np.uint8))
            rows.append(f"{person}-{face},person-{person},{label},{name},cropped")
    path = tmp_path / "people.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def by_subject(holdout: float = 0.2) -> Plan:
    return Plan(clients="by-subject", per_client=4, alpha=1.0, holdout=holdout, seed=0)


def test_by_subject_a_person_is_a_client_and_a_fifth_of_the_people_is_held_out(people: Path, tmp_path: Path) -> None:
    result = run_simulation(options(f"manifest:{people}", plan=by_subject()), tmp_path, lambda *_: None)
    assert result["data"] == {
        "spec": f"manifest:{people}", "split": "1 people held out", "subject_disjoint": True
    }  # fmt: skip
    assert result["federation"]["clients"] == 4
    assert np.sum(result["metrics"]["confusion"]) == 3
    assert result["baselines"]["per_person"].keys() == {"accuracy", "uar", "macro_f1"}
    assert all(0 <= scores["accuracy"] <= 1 for scores in result["metrics"]["per_class"].values())


def test_folds_hold_out_everybody_once_and_give_means_and_each_fold(people: Path, tmp_path: Path) -> None:
    stages = []
    result = run_simulation(
        options(f"manifest:{people}", plan=by_subject(), folds=5), tmp_path, lambda stage, *_: stages.append(stage)
    )
    assert result == json.loads((tmp_path / "result.json").read_text())
    metrics = result["metrics"]
    for baseline in ("majority", "per_person", "non_private"):
        assert len(result["baselines"][baseline]["folds"]) == len(metrics["folds"]) == 5
    assert metrics["macro_f1"] == pytest.approx(np.mean([fold["macro_f1"] for fold in metrics["folds"]]))
    assert np.sum(metrics["confusion"]) == 15, "each of the 15 sequences is scored once"
    assert sum(scores["support"] for scores in metrics["per_class"].values()) == 15
    assert result["data"]["subject_disjoint"] is True
    assert result["federation"]["clients"] == 4
    assert {"private, fold 1", "non-private, fold 5"} <= set(stages)


def test_random_weights_follow_the_seed(people: Path, tmp_path: Path) -> None:
    first, second = (
        run_simulation(options(f"manifest:{people}", plan=by_subject()), tmp_path, lambda *_: None) for _ in range(2)
    )
    assert first["initial_metrics"] == second["initial_metrics"]
    assert first["metrics"] == second["metrics"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cohort": 5, "plan": by_subject()}, "cohort of 5 is larger than the population.*4 clients"),
        ({"cohort": 3}, "cohort of 3 is larger than the population.*2 clients"),
        ({"cohort": 1}, "No round with 1 clients would count.*min_survivors"),
        ({"plan": Plan("5", 1, 1.0, 0.2, 0)}, "cannot be 5 clients: the data has 4 people.*by-subject"),
        ({"plan": by_subject(), "folds": 6}, "cannot be 6 folds: the data has 5 people"),
        ({"policy": policy_settings(["steps=1"], epsilon=1e-9, max_sequences=4)}, "no noise reaches epsilon 1e-09"),
        ({"engine": "cloud"}, "no engine 'cloud'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(people: Path, tmp_path: Path, changed, said) -> None:
    with pytest.raises(AttuneError, match=said):
        run_simulation(options(f"manifest:{people}", **changed), tmp_path, lambda *_: None)


def test_without_ray_the_flower_engine_is_refused_before_anything_is_rendered(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("simulations.run.populate", lambda *_: pytest.fail("rendered"))
    with pytest.raises(UsageError, match=r"pip install .attune\[cluster\]"):
        run_simulation(options("synthetic", engine="flower"), tmp_path, lambda *_: None)


def test_data_that_names_no_people_has_no_folds(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no people"):
        run_simulation(options(f"ferplus:{faces}", folds=2), tmp_path, lambda *_: None)
