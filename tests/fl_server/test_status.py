import pytest

from fl_server.enrolment.registry import Registry
from fl_server.round_summary import RoundSummary, read_rounds
from fl_server.setup import create_federation
from fl_server.status import read_status
from shared_models.errors import SettingsError
from shared_models.files import append_line


@pytest.fixture
def log(folder):
    """Writes lines of rounds.jsonl, as a running server does."""

    def log(*rounds):
        for round_, state, epsilon in rounds:
            summary = RoundSummary(
                round=round_,
                state=state,
                online=3,
                asked=3,
                accepted=2,
                rejected={"no_answer": 1},
                accuracy=0.5,
                uar=0.4,
                macro_f1=0.3,
                epsilon=epsilon,
                seconds=1.5,
            )
            append_line(folder.rounds, summary.model_dump_json().encode())

    return log


def test_a_new_federation_has_nobody_and_no_round(folder):
    status = read_status(folder)
    assert (status.study, status.purpose) == ("study", "research simulation")
    assert (status.devices, status.open_invitations, status.round, status.epsilon) == (0, 0, 0, 0.0)
    assert (status.epsilon_cap, status.delta, status.rounds) == (8.0, 1e-5, [])


def test_devices_and_open_invitations_are_counted(folder):
    registry = Registry(folder.enrolment)
    secrets = [registry.invite(3600)[0] for _ in range(3)]
    registry.invite(-1)
    registry.enrol(secrets[0], b"node", b"ledger")
    status = read_status(folder)
    assert (status.devices, status.open_invitations) == (1, 2)


def test_a_failed_round_is_shown_and_does_not_count(folder, log):
    log((0, "start", 0.0), (1, "checkpointed", 1.5), (2, "failed", 1.5))
    status = read_status(folder)
    assert (status.round, status.epsilon) == (1, 1.5)
    assert [summary.state for summary in status.rounds] == ["start", "checkpointed", "failed"]


def test_only_failed_rounds_so_far(folder, log):
    log((1, "failed", 0.0))
    assert (read_status(folder).round, read_status(folder).epsilon) == (0, 0.0)


def test_a_line_that_is_being_written_is_left_out(folder, log):
    log((0, "start", 0.0), (1, "checkpointed", 1.5))
    whole = folder.rounds.read_bytes()
    for length in (len(whole) - 1, len(whole) - 40):
        folder.rounds.write_bytes(whole[:length])
        assert [summary.round for summary in read_rounds(folder)] == [0]
    folder.rounds.write_bytes(whole)
    assert [summary.round for summary in read_rounds(folder)] == [0, 1]


def test_reading_changes_nothing(folder, log):
    log((0, "start", 0.0))
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    read_status(folder)
    assert {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()} == before


def test_where_there_is_no_federation_it_says_so(tmp_path, folder):
    with pytest.raises(SettingsError, match="There is no federation in"):
        read_status(type(folder)(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_it_shows_what_the_settings_say(tmp_path, folder):
    create_federation(tmp_path / "other", {"policy": {"epsilon": 3.0}, "study": {"title": "Autumn"}})
    status = read_status(type(folder)(tmp_path / "other"))
    assert (status.epsilon_cap, status.title) == (3.0, "Autumn")
