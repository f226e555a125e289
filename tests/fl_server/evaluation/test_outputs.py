"""A model with several classes, levels or values is evaluated by the same command, in all its forms."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import data_sets
import pytest

from fl_server import cli
from fl_server.evaluation.facts import OutputEvaluation
from shared_models.data.labels import FURTHER_SCHEMES

LABELS = {
    "basic-7-any": ("happy|surprise", "sad", "neutral"),
    "learner-levels": tuple(f"boredom:{n}|engagement:{3 - n}|confusion:0|frustration:1" for n in range(3)),
    "valence-arousal": ("0.8,0.5", "-0.6,0.5", "0,-1"),
}
each_scheme = pytest.mark.parametrize("scheme", FURTHER_SCHEMES)


@pytest.fixture
def study(tmp_path: Path, leave) -> Callable[[str], tuple[Path, str]]:
    """`study(scheme)`: a folder for untrained weights of this scheme, and the SPEC of four people's faces."""

    def make(scheme: str) -> tuple[Path, str]:
        settings = {"model.scheme": scheme, "model.name": "rnn", "model.initial": "random"}
        entries = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        assert leave(cli.run, "init", tmp_path / "study", *entries) == 0
        columns = "valence,arousal" if scheme == "valence-arousal" else "label"
        lines = [f"clip_id,subject_id,path,faces,{columns}"]
        for n in range(12):
            cv2.imwrite(str(tmp_path / f"{n}.png"), data_sets.small_face(n))
            lines.append(f"{n},p{n // 3},{n}.png,cropped,{LABELS[scheme][n % 3 if n < 9 else 0]}")
        (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
        return tmp_path / "study", f"manifest:{tmp_path / 'faces.csv'}"

    return make


@each_scheme
def test_it_is_scored_beside_guesses_with_intervals(scheme: str, study, leave, capsys) -> None:
    folder, spec = study(scheme)
    capsys.readouterr()
    assert leave(cli.run, "evaluate", folder, "--data", spec, "--json") == 0
    facts = OutputEvaluation.model_validate(json.loads(capsys.readouterr().out))
    assert (facts.data.scheme, facts.data.sequences, facts.data.subjects) == (scheme, 12, 4)
    assert facts.scores.own is not None
    assert set(facts.intervals.figures) == set(facts.scores.model.figures())
    assert facts.intervals.units == 4


def test_every_form_holds_every_row(study, leave, tmp_path: Path) -> None:
    folder, spec = study("valence-arousal")
    for ending in ("html", "md"):
        assert leave(cli.run, "evaluate", folder, "--data", spec, "--out", tmp_path / f"page.{ending}") == 0
        page = (tmp_path / f"page.{ending}").read_text(encoding="utf-8")
        for row in ("mean", "mean, 95 %", "mean, usual", "mean, own"):
            assert row in page
        assert "bootstrap over 4 people" in page


def test_there_is_no_picture_of_a_confusion_that_is_none(study, leave, tmp_path: Path, capsys) -> None:
    folder, spec = study("valence-arousal")
    assert leave(cli.run, "evaluate", folder, "--data", spec, "--out", tmp_path / "page.svg") == 2
    assert "There is no picture of this" in capsys.readouterr().err
