import json
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from fl_server.certificates import issue_server_certificate
from fl_server.enrolment.registry import Registry
from fl_server.page.address import keep_address
from fl_server.phase import Phase
from fl_server.refusals import REASONS, Refusals
from fl_server.round_summary import RoundSummary, read_rounds
from fl_server.setup import create_federation
from fl_server.show_status import show_status
from fl_server.status import Score, Status, read_status
from shared_models.errors import SettingsError
from shared_models.files import append_line, only_one

DOCS = Path(__file__).parents[2] / "docs" / "status.md"


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


def test_every_field_and_reason_is_documented():
    chapters = re.split(r"\n## ", DOCS.read_text(encoding="utf-8"))
    tables = zip(chapters, (Status, Phase, Score, RoundSummary), strict=False)
    for chapter, model in tables:
        rows = re.findall(r"^\| (`.*?) \| (.{10,}) \|$", chapter, re.MULTILINE)
        named = [name for names, _ in rows for name in re.findall(r"`(\w+)`", names)]
        assert sorted(named) == sorted(model.model_fields), chapter.splitlines()[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", chapters[-1], re.MULTILINE)) == REASONS


@pytest.fixture
def phase(folder):
    """Writes the state, as a running server does."""

    def phase(state="collecting", **changes):
        counts = {"round": 4, "since": 1000.0, "online": 3, "asked": 3, "accepted": 1, "pid": os.getpid()}
        Phase(state=state, **(counts | changes)).write(folder)

    return phase


def test_a_server_runs_while_its_process_has_the_lock(folder, phase):
    assert not read_status(folder).running
    phase()
    assert not read_status(folder).running
    with only_one(folder.lock, "it"):
        status = read_status(folder)
    assert (status.running, status.online) == (True, 3)
    status = read_status(folder)
    assert (status.running, status.online, status.phase.state) == (False, 0, "collecting")


def test_a_server_that_has_written_no_state_runs_too(folder):
    with only_one(folder.lock, "it"):
        assert read_status(folder).running


def test_the_lock_of_a_process_that_is_gone_is_not_asked_for(folder, phase, monkeypatch):
    phase(pid=2**22 + 1)
    monkeypatch.setattr("fl_server.status.is_held", lambda path: pytest.fail("the lock was asked for"))
    assert not read_status(folder).running


def test_the_pages_address_is_shown_while_the_server_runs(folder):
    address = keep_address(folder, 8123, "secret-token")
    assert folder.page_address.stat().st_mode & 0o777 == 0o600
    assert read_status(folder).page is None
    with only_one(folder.lock, "it"):
        assert read_status(folder).page == address == "http://127.0.0.1:8123/operator/?token=secret-token"


def test_scores_are_those_of_the_last_and_the_best_round(folder, log):
    assert read_status(folder).score is None
    log((0, "start", 0.0), (1, "checkpointed", 1.5), (2, "failed", 1.5))
    lines = folder.rounds.read_text().splitlines()
    best, failed = (json.loads(line) | {"f1": {"fear": 0.25}} for line in (lines[0], lines[2]))
    folder.rounds.write_text("\n".join(map(json.dumps, (best | {"uar": 0.9}, json.loads(lines[1]), failed))) + "\n")
    score = read_status(folder).score
    assert (score.uar, score.best_uar, score.best_round, score.f1) == (0.4, 0.9, 0, {})


def test_a_line_of_an_older_version_has_no_f1(folder, log):
    log((0, "start", 0.0))
    line = json.loads(folder.rounds.read_text())
    del line["f1"]
    folder.rounds.write_text(json.dumps(line) + "\n")
    assert read_rounds(folder)[0].f1 == {}


def test_what_else_an_operator_looks_after(folder, log):
    with Refusals(folder) as refusals:
        refusals.count("rate")
    folder.promoted.write_text(json.dumps({"round": 3, "at": "today"}))
    log((1, "failed", 0.0))
    status = read_status(folder)
    assert (status.refusals, status.promoted_round, status.failed_rounds) == ({"rate": 1}, 3, 1)
    assert status.certificate_days == 396
    assert status.disk_free_bytes > 0
    issue_server_certificate(folder, "127.0.0.1", days=0)
    assert read_status(folder).certificate_days < 0


def test_a_person_reads_the_same(folder, log, phase):
    log((0, "start", 0.0), (1, "checkpointed", 1.5), (2, "failed", 1.5))
    phase("paused", why="The disk is full.")
    with Refusals(folder) as refusals:
        refusals.count("slow")
    folder.promoted.write_text('{"round": 1}')
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed with the test
    with console.file, only_one(folder.lock, "it"):
        keep_address(folder, 8123, "secret-token")
        show_status(read_status(folder), console)
    text = " ".join(console.export_text().split())
    for words in (
        "server running. Round 4 is paused: The disk is full; for",
        "rounds 1 of 6 have a checkpoint; 1 failed",
        "devices 0 enrolled, 3 online; 0 open invitations",
        "epsilon 1.50 of 8.00 at delta 1e-05",
        "UAR 0.400, macro F1 0.300; best UAR 0.400 in round 0",
        "the model of round 1",
        "396 days left",
        "1 slow: a body that came too slowly",
        "http://127.0.0.1:8123/operator/?token=secret-token",
    ):
        assert words in text
