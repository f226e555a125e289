import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from fl_server.settings import policy_settings
from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from simulations.populations import Plan, Population, populate, seen_in_pretraining
from simulations.run import Options, run_simulation

FIELDS = {"data", "model", "initial_metrics", "metrics", "baselines", "claims", "cost", "versions", "seed"}
VOTES = {"neutral": 0, "happiness": 1, "sadness": 3}


def options(data: str, **changed: object) -> Options:
    facts: dict[str, object] = {
        "data": data,
        "plan": Plan(clients="2", per_client=4, alpha=1.0, holdout=0.4, seed=0),
        "cohort": None,
        "rounds": 2,
        "unit": "sequence",
        "gradients": "fast",
        "policy": policy_settings(["steps=1"], epsilon=8.0, delta=1e-5, max_sequences=4),
        "model": "cnn-lstm",
        "trainable": "classifier",
        "initial": "random",
        "baseline": True,
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
