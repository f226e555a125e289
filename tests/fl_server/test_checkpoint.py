"""A checkpoint is whole or absent, and any byte that changes later is noticed."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest
import torch

from fl_server import checkpoint as checkpoint_module
from fl_server.checkpoint import Checkpoints
from shared_models.errors import CheckpointError, StorageError
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, weights_hash

HEADER = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")
METRICS = {"accuracy": 0.25, "per_class": {"fear": {"support": 3}}, "by_subject": None}
HEAD = "c" * 64


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path)


@pytest.fixture
def save(checkpoints):
    def save(round_, seed=0):
        torch.manual_seed(seed)
        model = build_model("cnn-lstm", 7)
        return model, checkpoints.save(round_, model, HEADER, METRICS, HEAD)

    return save


def test_what_was_saved_comes_back(checkpoints, save):
    model, saved = save(3)
    loaded, record = checkpoints.load(3)
    assert record == saved == checkpoints.record(3)
    assert (record.round, record.metrics, record.header, record.ledger_head) == (3, METRICS, HEADER, HEAD)
    assert record.model_hash == weights_hash(model.state_dict()) == weights_hash(loaded.state_dict())
    assert not loaded.training


def test_rounds_are_found_in_order_and_nothing_else_is_one(checkpoints, save, tmp_path):
    for round_ in (0, 2, 11, 1):
        save(round_)
    for other in ("round-00004.damaged", ".round-00005.new", "round-"):
        (tmp_path / other).mkdir()
    assert checkpoints.rounds() == [0, 1, 2, 11]


def test_there_are_none_at_first(checkpoints, tmp_path):
    assert checkpoints.rounds() == []
    assert Checkpoints(tmp_path / "nowhere").rounds() == []


def test_only_their_owner_can_read_them(save, tmp_path):
    save(1)
    folder = tmp_path / "round-00001"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_any_byte_of_the_record_counts(checkpoints, save, tmp_path):
    save(1)
    path = tmp_path / "round-00001" / "checkpoint.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(CheckpointError):
            checkpoints.record(1)
    path.write_bytes(whole)
    checkpoints.load(1)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.7, 1.0])
def test_any_byte_of_the_model_counts(checkpoints, save, tmp_path, part):
    save(1)
    path = tmp_path / "round-00001" / "model.safetensors"
    whole = bytearray(path.read_bytes())
    position = min(int(part * len(whole)), len(whole) - 1)
    whole[position] ^= 1
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="is damaged: its files are not those that were written") as found:
        checkpoints.load(1)
    assert (found.value.exit_code, "go on from the round before" in found.value.fix) == (15, True)


def test_a_model_of_another_round_does_not_fit(checkpoints, save, tmp_path):
    save(1, seed=1)
    save(2, seed=2)
    shutil.copy(tmp_path / "round-00001" / "model.safetensors", tmp_path / "round-00002")
    with pytest.raises(CheckpointError):
        checkpoints.load(2)
    checkpoints.load(1)


@pytest.mark.parametrize("missing", ["checkpoint.json", "model.safetensors", "."])
def test_a_file_that_is_gone_is_damage(checkpoints, save, tmp_path, missing):
    save(1)
    path = tmp_path / "round-00001" / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(CheckpointError):
        checkpoints.load(1)


@pytest.mark.parametrize("content", [b"", b"[]", b'"x"', b"null", b"{}", b'{"record": {}, "sha256": ""}', b"\xff"])
def test_a_record_of_another_form_is_damage(checkpoints, save, tmp_path, content):
    save(1)
    (tmp_path / "round-00001" / "checkpoint.json").write_bytes(content)
    with pytest.raises(CheckpointError):
        checkpoints.record(1)


def test_a_crash_before_the_rename_leaves_the_round_before_and_can_be_repeated(checkpoints, save, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    save(0)
    with monkeypatch.context() as crash:
        crash.setattr(checkpoint_module.os, "rename", die)
        with pytest.raises(Killed):
            save(1)
    assert checkpoints.rounds() == [0]
    checkpoints.load(0)
    _, saved = save(1)
    assert checkpoints.load(1)[1] == saved


def test_nothing_of_a_checkpoint_is_visible_before_it_is_whole(checkpoints, save, tmp_path, monkeypatch):
    seen = []
    rename = os.rename

    def look(source, target):
        seen.append((checkpoints.rounds(), sorted(file.name for file in Path(source).iterdir())))
        rename(source, target)

    monkeypatch.setattr(checkpoint_module.os, "rename", look)
    save(0)
    assert seen == [([], ["checkpoint.json", "model.safetensors", "optimiser.safetensors"])]
    assert checkpoints.rounds() == [0]


@pytest.mark.parametrize("fails_at", range(1, 9))
def test_a_full_disk_at_any_point_leaves_the_round_before(checkpoints, save, monkeypatch, fails_at):
    """Every write of a checkpoint ends in an fsync: the disk is full at one of them."""
    save(0)
    syncs, sync = [], os.fsync

    def full(descriptor):
        syncs.append(descriptor)
        if len(syncs) == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            save(1)
    renamed_already = fails_at == 8
    assert checkpoints.rounds() == ([0, 1] if renamed_already else [0])
    for round_ in checkpoints.rounds():
        checkpoints.load(round_)


def test_a_checkpoint_is_never_written_over(checkpoints, save):
    _, saved = save(1, seed=1)
    with pytest.raises(StorageError):
        save(1, seed=2)
    assert checkpoints.load(1)[1] == saved


def test_a_draft_counts_for_nothing_and_can_be_read_back(checkpoints, save):
    save(0)
    model = build_model("cnn-lstm", 7)
    checkpoints.draft(1, model, HEADER, {"momentum/linear.bias": torch.ones(7)})
    assert checkpoints.rounds() == [0]
    drafted, header = checkpoints.drafted(1)
    assert (weights_hash(drafted.state_dict()), header) == (weights_hash(model.state_dict()), HEADER)
    assert checkpoints.drafted(2) is None
    checkpoints.commit(1, model, HEADER, METRICS, HEAD)
    assert torch.equal(checkpoints.optimiser_state(1)["momentum/linear.bias"], torch.ones(7))
    assert checkpoints.optimiser_state(0) == {}


@pytest.mark.parametrize("file", ["model.safetensors", "optimiser.safetensors"])
def test_a_draft_that_is_not_whole_is_none(checkpoints, tmp_path, file):
    checkpoints.draft(1, build_model("cnn-lstm", 7), HEADER, {})
    part = tmp_path / ".round-00001.new" / file
    part.write_bytes(part.read_bytes()[:-1] if file.startswith("model") else b"")
    assert checkpoints.drafted(1) is None


def test_a_changed_byte_of_the_optimiser_s_state_is_noticed(checkpoints, tmp_path):
    checkpoints.draft(1, model := build_model("cnn-lstm", 7), HEADER, {"steps": torch.ones(1)})
    checkpoints.commit(1, model, HEADER, METRICS, HEAD)
    state = tmp_path / "round-00001" / "optimiser.safetensors"
    state.write_bytes(state.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError):
        checkpoints.optimiser_state(1)


def test_weights_can_be_removed_and_the_record_stays(checkpoints, save, tmp_path):
    for round_ in (0, 1):
        _, saved = save(round_)
    for _ in range(2):
        checkpoints.drop_weights(1)
    assert (checkpoints.rounds(), checkpoints.with_weights()) == ([0, 1], [0])
    assert checkpoints.record(1) == saved
    with pytest.raises(CheckpointError, match="models list"):
        checkpoints.load(1)


def test_a_round_without_a_checkpoint_is_named(checkpoints, save):
    with pytest.raises(CheckpointError, match="There is no checkpoint of round 4"):
        checkpoints.record(4)
