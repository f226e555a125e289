"""A model of every output is trained from data to weights by one command, and scored on people it has not seen."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fl_server.pretraining import Order, Public, Recipe, Run, pretrain_to
from fl_server.pretraining.encoder import encoder_stage
from fl_server.pretraining.recipe import recipe_with
from fl_server.pretraining.temporal import temporal_stage
from shared_models.data.labels import FURTHER_SCHEMES, scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.errors import UsageError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.guesses import usual
from shared_models.evaluation.outputs import output_sheet, score_output
from shared_models.networks.registry import build_model
from shared_models.networks.weights import load_model

SHORT = Recipe(sequence_epochs=60, batch=8, sequence_rate=1e-2, average_decay=0.9)
LABELS = {
    "basic-7-any": ("happy|surprise", "sad"),
    "learner-levels": (
        "boredom:0|engagement:3|confusion:1|frustration:0",
        "boredom:2|engagement:1|confusion:0|frustration:0",
    ),
    "valence-arousal": ("0.8,0.5", "-0.6,0.5"),
}
"""What lying and standing bars mean, as a manifest writes it."""
each_scheme = pytest.mark.parametrize("name", FURTHER_SCHEMES)


@pytest.fixture
def manifest(bars: Callable[..., Sequences], tmp_path: Path) -> Callable[[str, str, int], str]:
    """`manifest(scheme, person, seed)` writes bars as pictures and gives the SPEC of what they mean."""

    def write(name: str, person: str, seed: int) -> str:
        folder = tmp_path / person
        folder.mkdir()
        columns = "valence,arousal" if name == "valence-arousal" else "label"
        lines = [f"clip_id,subject_id,path,faces,{columns}"]
        for n, sequence in enumerate(bars(16, 1, seed).frames):
            cv2.imwrite(str(folder / f"{n}.png"), sequence[0, 0].repeat(3, axis=0).repeat(3, axis=1))
            lines.append(f"{n},{person},{n}.png,cropped,{LABELS[name][n % 2]}")
        (folder / "clips.csv").write_text("\n".join(lines) + "\n")
        return f"manifest:{folder / 'clips.csv'}"

    return write


@each_scheme
def test_from_data_to_weights_that_know_other_pictures(name: str, manifest, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    pretrain_to(path, Order("rnn", name, (manifest(name, "trained", 1),), 1, SHORT), lambda *told: None)
    model, header, _ = load_model(path)
    assert header.scheme == name
    held_out = load_benchmark(parse_spec(manifest(name, "scored", 2)), scheme_by_name(name))
    answers = Benchmark(held_out).probabilities(model)
    assert miss(answers, held_out) < miss(usual(held_out), held_out) / 2
    scores = score_output(answers, held_out)
    assert scores.own == scores.usual, "one person scores"
    assert output_sheet(scores).rows[-3][0] == "mean"


def miss(answers: np.ndarray, data: Sequences) -> float:
    return float(np.abs(answers - data.targets).mean())


@each_scheme
@pytest.mark.parametrize("entry", [{"loss": "focal"}, {"balance": 0.9}, {"smoothing": 0.1}])
def test_what_is_for_one_class_a_sequence_is_refused_before_data_are_read(
    name: str, entry: dict[str, object], tmp_path: Path
) -> None:
    order = Order("cnn-lstm", name, ("manifest:nowhere.csv",), recipe=recipe_with(entry))
    with pytest.raises(UsageError, match=rf"entry {next(iter(entry))} is for one class a sequence.*has a loss of its"):
        pretrain_to(tmp_path / "model.safetensors", order, lambda *told: None)


@each_scheme
def test_both_stages_have_the_loss_of_the_output(name: str, bars: Callable[..., Sequences]) -> None:
    scheme, data = scheme_by_name(name), bars(8, 2, seed=1)
    targets = torch.rand(8, len(scheme.classes))
    data = replace(data, scheme=scheme, targets=targets.numpy())
    model, logits = build_model("cnn-lstm", len(scheme.classes), scheme.output), torch.randn_like(targets)
    for stage in (encoder_stage(model, data, SHORT), temporal_stage(model, data, SHORT, 0, lambda *told: None)):
        torch.testing.assert_close(stage.loss(logits, targets), model.output.losses(logits, targets).mean())


def test_a_stopped_run_is_not_gone_on_with_for_another_scheme(bars: Callable[..., Sequences]) -> None:
    public = Public(bars(8, 1, seed=1), "", frozenset())
    basic, several = (Run(Order("cnn", scheme, ("synthetic",)), public) for scheme in ("basic-7", "basic-7-any"))
    assert basic.id != several.id, "as many classes, the same data"
