"""What differs only in time tells the models apart: the promise of a comparison."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_server.evaluation.compared import Trainer
from fl_server.evaluation.comparison import compare_models, parse_models
from fl_server.pretraining import Recipe
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.errors import DataError, ModelError, UsageError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.comparison import SameTraining
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

LEARNS = Recipe(frame_epochs=20, sequence_epochs=60, batch=16, sequence_rate=1e-2, frame_drop=0.0, average_decay=0.9)
Make = Callable[..., Trainer]


def test_only_a_model_that_knows_order_tells_what_differs_in_order(trainer: Make, held_out: Sequences) -> None:
    told: list[tuple[str, int, int]] = []
    one = trainer(told, recipe=LEARNS)
    facts = compare_models(parse_models("cnn,cnn-lstm"), one)
    cnn, both = facts.models
    assert both.difference is not None
    assert both.difference.macro_f1.low is not None
    assert both.difference.macro_f1.low > 0.1
    assert both.by_emotion["surprise"].f1 - cnn.by_emotion["surprise"].f1 > 0.1
    assert ("scores", 2, 2) in told

    order = np.random.default_rng(1).permuted(np.tile(np.arange(4), (len(held_out), 1)), axis=1)
    shuffled = replace(held_out, frames=held_out.frames[np.arange(len(held_out))[:, None], order])
    after = {model.name: model for model in compare_models(("cnn", "cnn-lstm"), replace(one, held_out=shuffled)).models}
    assert after["cnn"].macro_f1 == cnn.macro_f1
    assert after["cnn-lstm"].macro_f1.value < both.macro_f1.value - 0.1


def test_a_scheme_without_one_class_a_sequence_is_refused_before_anything_is_trained(trainer: Make) -> None:
    told: list[tuple[str, int, int]] = []
    one = trainer(told)
    several = replace(one.held_out, scheme=scheme_by_name("basic-7-any"))
    with pytest.raises(DataError, match="not of one class"):
        compare_models(("cnn",), replace(one, held_out=several))
    assert told == []
    assert not one.folder.exists()


def test_a_file_takes_part_under_its_name(trainer: Make, held_out: Sequences, tmp_path: Path) -> None:
    path = saved(tmp_path / "ours.safetensors")
    facts = compare_models(parse_models(f"rnn, {path}"), trainer(seeds=(0, 1)))
    trained, ours = facts.models
    assert (trained.name, ours.name) == ("rnn", "ours")
    assert [run.seed for run in trained.runs] == [0, 1]
    assert [run.training_data for run in trained.runs] == ["films, seed 0", "films, seed 1"]
    model, _, _ = load_model(path)
    assert [(run.seed, run.weights, run.training_data) for run in ours.runs] == [
        (None, weights_hash(model.state_dict()), "nothing")
    ]
    assert ours.runs[0].metrics == Benchmark(held_out).score(model)
    assert ours.parameters == 100_360
    assert (trained.encoder, ours.encoder) == ("has nothing to learn", "as the file has it")
    assert facts.training == SameTraining(
        data="synthetic", seeds=[0, 1], recipe=Recipe(frame_epochs=1, sequence_epochs=1, batch=16, views=1).model_dump()
    )


def test_files_alone_need_no_training_data(trainer: Make, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    facts = compare_models((str(saved(tmp_path / "ours.safetensors")),), trainer(told))
    assert facts.training is None
    assert told == [("scores", 1, 1)]
    assert not (tmp_path / "compared").exists()


def test_weights_that_have_seen_what_scores_are_refused(trainer: Make, held_out: Sequences, tmp_path: Path) -> None:
    path = saved(tmp_path / "ours.safetensors", seen=held_out.digests[:3])
    with pytest.raises(DataError, match=r"ours\.safetensors cannot be scored.*on 3 of its sequences"):
        compare_models((str(path),), trainer())


def test_weights_for_other_labels_are_refused_before_anything_is_trained(trainer: Make, tmp_path: Path) -> None:
    path = saved(tmp_path / "ours.safetensors", scheme="basic-8", classes=8)
    told: list[tuple[str, int, int]] = []
    with pytest.raises(ModelError, match="basic-8, not basic-7"):
        compare_models(("cnn", str(path)), trainer(told))
    assert told == []


@pytest.mark.parametrize("text", ["", ",", "cnn,cnn", "a/x.safetensors,b/x.safetensors"])
def test_models_are_named_once_each(text: str) -> None:
    with pytest.raises(UsageError, match="cnn,rnn,cnn-lstm"):
        parse_models(text)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"no model 'gnn'.*cnn-lstm"):
        parse_models("cnn,gnn")


def saved(path: Path, scheme: str = "basic-7", classes: int = 7, seen: tuple[str, ...] = ()) -> Path:
    header = WeightsHeader(model="rnn", scheme=scheme, input_shape=(16, 1, 48, 48), training_data="nothing")
    save_model(path, build_model("rnn", classes), header, seen)
    return path
