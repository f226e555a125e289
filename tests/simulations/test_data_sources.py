"""Every data set that can be named is simulated by the command, and its split is what the result says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_sets
import platformdirs
import pytest

from simulations import cli

SMALL = ("--per-client", "2", "--rounds", "1", "--init", "random", "--no-baseline", "--json")
SPLITS = {
    "fer2013": ("scored on PrivateTest without its 0 images that Training holds too", None, 7),
    "affectnet": ("scored on val_set", None, 8),
    "ckplus": ("1 people held out", True, 8),
    "ravdess": ("1 people held out", True, 7),
    "iemocap": ("2 people held out", True, 7),
    "daisee": ("trained on the official Train, scored on the official Test", True, 16),
}
"""The end of the split's description, whether it is of people, and the number of classes."""


@pytest.fixture
def simulate(
    leave: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """`simulate("--data", SPEC, ...)`: what `fl-sim run` prints."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "caches" / name))

    def simulate(*options: object) -> dict[str, Any]:
        assert leave(cli.run, "run", *SMALL, "--out", tmp_path / "out", *options) == 0
        return dict(json.loads(capsys.readouterr().out))

    return simulate


@pytest.mark.parametrize("kind", SPLITS)
def test_a_run_names_the_split_and_whether_it_is_of_people(kind: str, simulate, tmp_path: Path) -> None:
    spec, (split, disjoint, classes) = data_sets.write_copy(kind, tmp_path / "copy"), SPLITS[kind]
    result = simulate("--data", spec, "--clients", "2")
    assert result["data"]["spec"] == spec
    assert result["data"]["split"].endswith(split)
    assert result["data"]["subject_disjoint"] is disjoint
    assert len(result["metrics"]["per_class"]) == classes


def test_a_student_of_daisee_is_a_client_and_all_of_them_make_folds(simulate, tmp_path: Path) -> None:
    spec = data_sets.write_copy("daisee", tmp_path / "copy")
    assert simulate("--data", spec, "--clients", "by-subject")["federation"]["clients"] == 2
    folds = simulate("--data", spec, "--clients", "by-subject", "--folds", "2")
    assert folds["data"]["split"] == "2 folds of 4 people, each fold a federation of its own"
    assert folds["data"]["subject_disjoint"] is True


@pytest.mark.parametrize("kind", ["ckplus", "daisee"])
def test_a_random_split_is_had_by_name_only_and_never_counts_as_one_of_people(kind: str, simulate, tmp_path) -> None:
    spec = data_sets.write_copy(kind, tmp_path / "copy")
    result = simulate("--data", spec, "--clients", "2", "--split", "random")
    assert result["data"]["split"].startswith("random: ")
    assert result["data"]["subject_disjoint"] is False


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data", "synthetic"], "The data source 'synthetic' has no random split"),
        (["--data", "ferplus:faces"], "The data source 'ferplus' has no random split"),
        (["--data", "ckplus:faces", "--folds", "3"], "Folds are of people"),
    ],
)
def test_a_random_split_is_refused_where_there_is_none(leave, tmp_path, capsys, options, sentence) -> None:
    assert leave(cli.run, "run", "--out", tmp_path, "--init", "random", "--split", "random", *options) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
