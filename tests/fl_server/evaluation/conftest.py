"""A few faces of a few people, and what an evaluation of them comes to."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import data_sets
import numpy as np
import pytest

from fl_server import cli
from fl_server.evaluation.facts import (
    Baselines,
    BaselineScores,
    Data,
    Evaluation,
    Model,
    Selection,
)
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_held_out
from shared_models.evaluation.baselines import per_person_baseline
from shared_models.evaluation.bootstrap import intervals
from shared_models.evaluation.calibration import reliability
from shared_models.evaluation.metrics import majority_baseline, score
from shared_models.evaluation.scores import in_full

BASIC = scheme_by_name("basic-7")


@pytest.fixture
def faces(tmp_path: Path) -> Callable[..., str]:
    """`faces("a", ["p", "p", "q"])`: a manifest with a face for each of these people; gives its SPEC."""

    def faces(name: str, people: list[str]) -> str:
        folder = tmp_path / name
        folder.mkdir()
        first = sum(name.encode())
        with (folder / "faces.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["clip_id", "subject_id", "label", "path", "faces"])
            for number, who in enumerate(people):
                cv2.imwrite(str(folder / f"{number}.png"), data_sets.small_face(100 * first + number))
                rows.writerow([number, who, BASIC.classes[number % 7], f"{number}.png", "cropped"])
        return f"manifest:{folder / 'faces.csv'}"

    return faces


@pytest.fixture
def benchmark_faces(faces: Callable[..., str]) -> str:
    return faces("benchmark", [f"p{i // 3}" for i in range(12)])


@pytest.fixture
def sequences() -> Callable[[str], Sequences]:
    return lambda spec: load_held_out(parse_spec(spec), BASIC, "report").sequences


@pytest.fixture
def run(leave: Callable[..., int]) -> Callable[..., int]:
    return lambda *arguments: leave(cli.run, "evaluate", *arguments)


@pytest.fixture
def evaluated(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """`evaluated(folder, "--round", 1)`: the JSON that is printed."""

    def evaluated(*arguments: object) -> dict[str, Any]:
        capsys.readouterr()
        assert run(*arguments, "--json") == 0
        facts: dict[str, Any] = json.loads(capsys.readouterr().out)
        return facts

    return evaluated


@pytest.fixture(scope="session")
def facts() -> Evaluation:
    """120 answers of a model that is often right, about twelve people."""
    rng, classes = np.random.default_rng(4), BASIC.classes
    targets = rng.integers(0, 6, 120)  # none of the last class
    logits = rng.normal(0, 1, (120, 7)) + 2 * np.eye(7)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    subjects = tuple(f"p{i % 12}" for i in range(120))
    per_person = per_person_baseline(targets, classes, subjects)
    return Evaluation(
        study="A study",
        data=Data(
            spec="manifest:test.csv",
            split="the whole manifest",
            scheme="basic-7",
            subject_disjoint=True,
            sequences=120,
            subjects=12,
            trained_on=0,
        ),
        model=Model(
            name="cnn-lstm",
            parameters=570_024,
            trainable="classifier",
            trained_parameters=1_032,
            source="round",
            round=3,
            hash="ab" * 32,
            training_data="rendered people",
        ),
        selection=Selection(how="the last round", by_scores=False, data="manifest:other.csv", same_data=False),
        metrics=in_full(score(probabilities, targets, classes, subjects)),
        intervals=intervals(probabilities, targets, classes, subjects, draws=100),
        baselines=Baselines(
            majority=BaselineScores(**majority_baseline(targets, classes)),
            per_person=BaselineScores(**(per_person or {})),
        ),
        reliability=reliability(probabilities, targets),
        traits=(),
        robustness=None,
        explained=None,
    )
