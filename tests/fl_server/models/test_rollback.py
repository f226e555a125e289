import pytest

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.models.rollback import roll_back
from shared_models.errors import CheckpointError, SettingsError, UsageError
from shared_models.files import only_one
from shared_models.privacy.ledger import read_ledger


@pytest.fixture
def study(small_study):
    for _ in range(3):
        small_study.round(0, 1)
    return small_study


def test_it_is_written_to_the_ledger_and_changes_nothing_else(study):
    files = {path: path.read_bytes() for path in study.folder.root.rglob("*") if path.is_file()}
    restored = roll_back(study.folder, 1)
    record = Checkpoints(study.folder.checkpoints).record(1)
    assert (restored.round, restored.to_round, restored.model_hash) == (3, 1, record.model_hash)
    entries = read_ledger(study.folder.ledger, load_signing_key(study.folder).public_key())
    assert [entry.body.kind for entry in entries] == ["round"] * 3 + ["restore"]
    assert entries[-1].body == restored
    after = {path: path.read_bytes() for path in study.folder.root.rglob("*") if path.is_file()}
    del files[study.folder.ledger], after[study.folder.ledger]
    after.pop(study.folder.lock, None)
    assert after == files


def test_one_can_go_back_again_and_forth(study):
    assert [roll_back(study.folder, round_).round for round_ in (1, 0, 3)] == [3, 3, 3]


def refused(study, round_, error, words):
    before = study.folder.ledger.read_bytes()
    with pytest.raises(error, match=words):
        roll_back(study.folder, round_)
    assert study.folder.ledger.read_bytes() == before


def test_it_is_refused_while_a_server_runs(study):
    with only_one(study.folder.lock, "A server"):
        refused(study, 1, UsageError, "runs already")
    roll_back(study.folder, 1)


def test_it_is_refused_where_it_would_change_nothing(study):
    refused(study, 3, UsageError, "already")
    roll_back(study.folder, 1)
    refused(study, 1, UsageError, "already")


def test_it_is_refused_without_good_weights(study):
    Checkpoints(study.folder.checkpoints).drop_weights(1)
    refused(study, 1, CheckpointError, "There are no weights")
    refused(study, 9, CheckpointError, "There is no checkpoint of round 9")
    path = study.folder.checkpoints / "round-00002" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    refused(study, 2, CheckpointError, "is damaged")


def test_a_checkpoint_that_the_ledger_does_not_name_is_refused(study):
    """A whole checkpoint of another federation, or of a round that is void."""
    for path in (study.folder.checkpoints / "round-00001").iterdir():
        path.replace(study.folder.checkpoints / "round-00002" / path.name)
    refused(study, 2, CheckpointError, "is not the model that the server's ledger names")


def test_where_there_is_no_federation_it_says_so(tmp_path, study):
    with pytest.raises(SettingsError):
        roll_back(type(study.folder)(tmp_path / "nowhere"), 1)
    assert not (tmp_path / "nowhere").exists()
