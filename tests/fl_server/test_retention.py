"""The right weights are removed, records never are, and the next round's starting point is what the ledger says."""

import errno
import os

import pytest
import torch

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.models.rollback import roll_back
from fl_server.retention import next_round, starting_point, tidy
from shared_models.errors import CheckpointError, StorageError
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader
from shared_models.privacy.ledger import read_ledger

pytestmark = pytest.mark.usefixtures("quick_disk")
HEADER = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
F1 = [0.1, 0.2, 0.9, 0.3, 0.9, 0.4, 0.5]


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return build_model("cnn-lstm", 7)


@pytest.fixture
def checkpoints(tmp_path, tiny):
    """Seven rounds with these scores; the accuracy falls from round to round."""
    checkpoints = Checkpoints(tmp_path)
    for round_, score in enumerate(F1):
        metrics = {"macro_f1": score, "uar": 0.5, "accuracy": 1 - score / 10}
        checkpoints.save(round_, tiny, HEADER, metrics, "c" * 64)
        (tmp_path / f"round-{round_:05d}" / "optimiser.safetensors").write_bytes(b"state")
    return checkpoints


@pytest.mark.parametrize(
    ("keep_last", "metric", "protected", "kept"),
    [
        (2, "macro_f1", [], [0, 2, 5, 6]),
        (1, "macro_f1", [3], [0, 2, 3, 6]),
        (1, "accuracy", [], [0, 6]),
        (1, "uar", [1, 4], [0, 1, 4, 6]),
        (10, "macro_f1", [], [0, 1, 2, 3, 4, 5, 6]),
        (1, "macro_f1", [99], [0, 2, 6]),
    ],
)
def test_kept_are_the_last_the_best_the_first_and_the_protected(checkpoints, keep_last, metric, protected, kept):
    for _ in range(2):
        tidy(checkpoints, keep_last, metric, protected)
        assert checkpoints.with_weights() == kept
    assert checkpoints.rounds() == list(range(7))
    assert [checkpoints.record(round_).metrics["macro_f1"] for round_ in range(7)] == F1
    for round_ in kept:
        checkpoints.load(round_)


def test_of_a_removed_round_nothing_but_the_record_is_left_and_it_says_so(checkpoints, tmp_path):
    tidy(checkpoints, 1, "macro_f1", [])
    assert [file.name for file in (tmp_path / "round-00001").iterdir()] == ["checkpoint.json"]
    assert {file.name for file in (tmp_path / "round-00006").iterdir()} >= {"optimiser.safetensors"}
    with pytest.raises(CheckpointError, match="There are no weights in the checkpoint"):
        checkpoints.load(1)


def test_a_draft_and_a_damaged_checkpoint_are_left_alone(checkpoints, tmp_path):
    draft = tmp_path / ".round-00007.new"
    draft.mkdir()
    (draft / "model.safetensors").write_bytes(b"")
    (tmp_path / "round-00001" / "checkpoint.json").write_bytes(b"{}")
    tidy(checkpoints, 1, "macro_f1", [])
    assert (draft / "model.safetensors").exists()
    assert checkpoints.with_weights() == [0, 1, 2, 6]


def test_a_removal_that_was_cut_off_is_finished_by_the_next(checkpoints, tmp_path, monkeypatch):
    unlink = type(tmp_path).unlink

    def fails(path, missing_ok=False):
        if path.name == "model.safetensors":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(path, missing_ok)

    with monkeypatch.context() as disk:
        disk.setattr(type(tmp_path), "unlink", fails)
        with pytest.raises(StorageError):
            tidy(checkpoints, 1, "macro_f1", [])
    tidy(checkpoints, 1, "macro_f1", [])
    assert checkpoints.with_weights() == [0, 2, 6]
    assert list((tmp_path / "round-00001").iterdir()) == [tmp_path / "round-00001" / "checkpoint.json"]


@pytest.fixture
def ledger(small_study):
    key = load_signing_key(small_study.folder).public_key()
    return lambda: read_ledger(small_study.folder.ledger, key)


def test_the_starting_point_is_the_last_round_or_the_one_gone_back_to(small_study, ledger):
    checkpoints = Checkpoints(small_study.folder.checkpoints)
    assert (starting_point(ledger(), checkpoints), next_round(ledger())) == (0, 1)
    small_study.round(0, 1)
    small_study.round(0, 1)
    assert (starting_point(ledger(), checkpoints), next_round(ledger())) == (2, 3)
    roll_back(small_study.folder, 1)
    assert (starting_point(ledger(), checkpoints), next_round(ledger())) == (1, 3)
    checkpoints.drop_weights(1)
    with pytest.raises(CheckpointError, match="There are no weights of round 1"):
        starting_point(ledger(), checkpoints)
