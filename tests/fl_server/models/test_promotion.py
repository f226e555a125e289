import pytest

from fl_server.checkpoint import Checkpoints
from fl_server.models.promotion import promote, read_promoted
from fl_server.report.assemble import build_with_record
from fl_server.report.formats import FORMATS
from fl_server.status import read_status
from shared_models.errors import CheckpointError


@pytest.fixture
def study(small_study):
    small_study.round(0, 1)
    small_study.round(0, 1)
    return small_study


def test_the_mark_names_the_model_and_the_last_one_counts(study):
    assert read_promoted(study.folder) is None
    checkpoints = Checkpoints(study.folder.checkpoints)
    for round_ in (2, 1):
        promoted = promote(study.folder, round_)
        assert read_promoted(study.folder) == promoted
        assert (promoted.round, promoted.model_hash) == (round_, checkpoints.record(round_).model_hash)


def test_status_and_model_card_name_it(study):
    card = lambda: FORMATS["model-card"].write(*build_with_record(study.folder), study.folder).decode()  # noqa: E731
    assert read_status(study.folder).promoted_round is None
    assert "was not chosen by these scores" in card()
    promote(study.folder, 1)
    assert read_status(study.folder).promoted_round == 1
    assert "hands out the model of round 1" in card()
    assert "was not chosen by these scores" not in card()


@pytest.mark.parametrize("fault", ["missing", "removed", "damaged"])
def test_what_cannot_be_handed_out_is_not_marked(study, fault):
    promote(study.folder, 1)
    if fault == "removed":
        Checkpoints(study.folder.checkpoints).drop_weights(2)
    elif fault == "damaged":
        path = study.folder.checkpoints / "round-00002" / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError):
        promote(study.folder, 7 if fault == "missing" else 2)
    assert read_promoted(study.folder).round == 1


@pytest.mark.parametrize("before", [None, 1])
def test_weights_that_a_server_tidies_up_at_that_moment_are_not_marked(study, monkeypatch, before):
    if before is not None:
        promote(study.folder, before)
    load = Checkpoints.load

    def load_then_lose(self, round_):
        loaded = load(self, round_)
        self.drop_weights(round_)
        return loaded

    monkeypatch.setattr(Checkpoints, "load", load_then_lose)
    with pytest.raises(CheckpointError, match="There are no weights"):
        promote(study.folder, 2)
    promoted = read_promoted(study.folder)
    assert (promoted and promoted.round) == before


@pytest.mark.parametrize("content", [b"", b"{}", b'{"round": "x"}'])
def test_a_mark_that_cannot_be_read_says_what_to_do(study, content):
    study.folder.promoted.write_bytes(content)
    with pytest.raises(CheckpointError, match="models promote"):
        read_promoted(study.folder)
