"""Compared models are trained alike, once, and never mistaken for others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fl_server.evaluation.compared import Trainer
from fl_server.pretraining import Recipe, Stopped
from shared_models.errors import DataError, ModelError
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

THREE = ("cnn", "rnn", "cnn-lstm")
Make = Callable[..., Trainer]


def encoder_in(path: Path) -> str:
    return weights_hash(load_model(path)[0].encoder.state_dict())


def stages(told: list[tuple[str, int, int]]) -> list[str]:
    return list(dict.fromkeys(stage for stage, _, _ in told))


def contents(found: dict[str, list[Path]]) -> dict[str, list[str]]:
    return {name: [weights_hash(load_model(path)[0].state_dict()) for path in paths] for name, paths in found.items()}


def test_models_with_one_encoder_share_its_training(trainer: Make) -> None:
    told: list[tuple[str, int, int]] = []
    found = trainer(told).weights_of((*THREE, "cnn-convlstm", "cnn+spatial-lstm"))
    trained = [stage for stage in stages(told) if stage.endswith("encoder")]
    assert trained == ["cnn: encoder", "cnn+spatial: encoder"]
    encoders = {name: encoder_in(paths[0]) for name, paths in found.items()}
    assert encoders["cnn"] == encoders["cnn-lstm"] == encoders["cnn-convlstm"] != encoders["cnn+spatial-lstm"]


def test_who_takes_part_and_in_which_order_changes_no_model(trainer: Make, tmp_path: Path) -> None:
    together = contents(trainer().weights_of(THREE))
    alone = contents(replace(trainer(), folder=tmp_path / "alone").weights_of(("cnn-lstm", "cnn")))
    assert alone == {name: together[name] for name in ("cnn-lstm", "cnn")}


def test_what_is_there_is_not_trained_again(trainer: Make) -> None:
    first = trainer().weights_of(THREE)
    told: list[tuple[str, int, int]] = []
    assert trainer(told).weights_of(THREE) == first
    assert told == []


@pytest.mark.parametrize(
    "other", [{"recipe": Recipe(frame_epochs=1, sequence_epochs=2, batch=16, views=1)}, {"seeds": (7,)}]
)
def test_weights_of_another_recipe_or_other_data_are_never_taken(trainer: Make, other: dict[str, object]) -> None:
    """The seed chooses the films here, as it does for rendered people."""
    first, second = trainer().weights_of(THREE), trainer(**other).weights_of(THREE)
    assert not {path for paths in first.values() for path in paths} & {p for paths in second.values() for p in paths}
    assert trainer().weights_of(THREE) == first


@pytest.mark.parametrize("calls", [2, 6, 11])
def test_a_stopped_training_goes_on_and_ends_in_the_same_weights(trainer: Make, tmp_path: Path, calls: int) -> None:
    """It stops in the encoder, in the first temporal model, and in the second."""
    all_, told, again = [], [], []
    whole = contents(replace(trainer(all_), folder=tmp_path / "whole").weights_of(THREE))
    with pytest.raises(Stopped):
        trainer(told, stopping=lambda: len(told) >= calls).weights_of(THREE)
    assert contents(trainer(again).weights_of(THREE)) == whole
    assert len(again) < len(all_)
    assert not list(tmp_path.glob("compared/*.checkpoint"))


def test_each_seed_trains_all_models_anew(trainer: Make) -> None:
    found = trainer(seeds=(0, 1)).weights_of(THREE)
    assert {name: len(set(paths)) for name, paths in found.items()} == dict.fromkeys(THREE, 2)
    assert encoder_in(found["cnn"][0]) == encoder_in(found["cnn-lstm"][0]) != encoder_in(found["cnn-lstm"][1])
    assert found["cnn-lstm"][:1] == trainer().weights_of(("cnn-lstm",))["cnn-lstm"]


def test_an_encoder_that_is_given_is_kept_by_all_that_have_one(trainer: Make, tmp_path: Path) -> None:
    given = tmp_path / "given.safetensors"
    header = WeightsHeader(model="cnn-gru", scheme="basic-8", input_shape=(16, 1, 48, 48), training_data="faces")
    save_model(given, build_model("cnn-gru", 8), header)
    told: list[tuple[str, int, int]] = []
    found = trainer(told, encoder=given).weights_of(THREE)
    assert encoder_in(found["cnn"][0]) == encoder_in(found["cnn-lstm"][0]) == encoder_in(given)
    assert not [stage for stage in stages(told) if stage.endswith("encoder")]
    with pytest.raises(ModelError, match="does not fit the model mobilenet-lstm"):
        trainer(encoder=given).weights_of(("mobilenet-lstm",))


def test_who_scores_is_not_trained_on(trainer: Make, films) -> None:
    one = replace(trainer(), held_out=films(8, 1000, "learns"))
    with pytest.raises(DataError, match=r"2 people and 0 sequences are in both.*--train-on"):
        one.weights_of(THREE)
    same = replace(trainer(), held_out=films(8, 0, "scores"))
    with pytest.raises(DataError, match="0 people and 8 sequences are in both"):
        same.weights_of(THREE)
