"""Sweeps over a few made-up people, and lines of tables that nobody measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fl_server.plan.utility import Measured
from simulations.sweep.grid import Sweep


@pytest.fixture
def people(tmp_path: Path) -> str:
    """The SPEC of a manifest of five people with two made-up faces each."""
    rng, rows = np.random.default_rng(0), ["clip_id,subject_id,label,path,faces"]
    for person in range(5):
        for face, label in enumerate(("happiness", "sadness")):
            name = f"{person}-{face}.png"
            cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (48, 48), dtype=np.uint8))
            rows.append(f"{person}-{face},person-{person},{label},{name},cropped")
    (tmp_path / "people.csv").write_text("\n".join(rows) + "\n")
    return f"manifest:{tmp_path / 'people.csv'}"


@pytest.fixture
def small(people: str) -> Callable[..., Sweep]:
    """`small(epsilon=[1, 8])`: a sweep over these people, by axes; two points where none is given."""

    def small(settings: dict[str, Any] | None = None, **axes: Any) -> Sweep:
        grid = {"clients": ["by-subject"], "rounds": [1], "epsilon": [1.0, 8.0], "seed": [0]} | axes
        return Sweep.model_validate(
            {"data": people, "init": "random", "per_client": 2, "settings": settings or {}, "grid": grid}
        )

    return small


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Measured]:
    """`make_row(seed=1, macro_f1=0.7)`"""
    fields = {
        "data": "synthetic", "model": "cnn-lstm", "scheme": "basic-7", "trainable": "classifier", "clients": 10,
        "sequences": 60, "rounds": 6, "steps": 4, "delta": 1e-5, "epsilon": 8.0, "seed": 0, "uar": 0.7,
        "accuracy": 0.7, "uar_before": 0.6, "uar_without_noise": 0.8, "uar_chance": 0.14, "cohort": 10,
        "macro_f1": 0.7, "macro_f1_before": 0.6, "macro_f1_without_noise": 0.8, "participations": 6,
        "epsilon_spent": 7.9, "cpu_s": 1.5, "upload_bytes": 20480,
    }  # fmt: skip
    return lambda **changed: Measured.model_validate(fields | changed)
