"""What is read beside a running server fits together, whenever it is read."""

import shutil
import sqlite3
import threading

import pytest

from fl_server.backup import collect
from fl_server.backup.collect import contents
from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.models.promotion import promote
from fl_server.policy_in_force import policy_in_force
from fl_server.report.record import read_record
from fl_server.retention import tidy
from fl_server.settings import load_settings
from shared_models.errors import BackupError
from shared_models.privacy.events import RoundClosed, RoundVoid
from shared_models.privacy.ledger import Ledger


def written(files, root):
    """The folder with these files."""
    for name, content in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists(), f"{name} was read twice"
        path.write_bytes(content)
    return FederationFolder(root)


def check(folder):
    """A start finds it as after a kill at worst: the ledger reaches the checkpoints, and one round may be void."""
    checkpoints, settings = Checkpoints(folder.checkpoints), load_settings(folder.settings)
    ledger = Ledger(folder.ledger, load_signing_key(folder))
    rounds = set(checkpoints.rounds())
    closed = {entry.body.round for entry in ledger.entries if isinstance(entry.body, RoundClosed)}
    assert rounds - {0} <= closed, "a checkpoint that the ledger does not reach"
    cut_off = closed - rounds
    assert cut_off <= {max(rounds) + 1}
    for round_ in cut_off:
        ledger.append(RoundVoid(round=round_))
    for round_ in checkpoints.with_weights():
        checkpoints.load(round_)
    assert max(rounds) in checkpoints.with_weights()
    shutil.rmtree(folder.device_ledgers)  # a study on paper writes them as it goes; devices hand theirs over
    last = checkpoints.record(max(rounds))
    record = read_record(folder, settings.study.id, policy_in_force(folder, settings), last)
    if record.failed is not None:
        assert "of at most" in record.failed.detail or "more than the cap" in record.failed.detail
    return cut_off


def one_round(study):
    """As a server does: a round, then the old weights are removed."""
    study.round(0, 1, 2)
    tidy(Checkpoints(study.folder.checkpoints), 1, "accuracy", [])


def test_nothing_that_counts_is_missing_and_nothing_else_is_there(study):
    root = study.folder.root
    promote(study.folder, 1)
    (root / "transport").mkdir()
    for name in ("server.log", "server.log.1", "server.lock", "transport/part", "old.db-wal", ".x.part"):
        (root / name).write_bytes(b"x")
    (root / "open-round" / "updates").mkdir(parents=True)
    (root / "open-round" / "updates" / "1").write_bytes(b"update")
    (root / "own notes").mkdir()
    (root / "own notes" / "a.txt").write_bytes(b"kept")
    (root / "link").symlink_to("/etc/hostname")
    left_out = {"server.log", "server.log.1", "server.lock", "transport/part", "old.db-wal", ".x.part", "link"}
    files = dict(contents(study.folder))
    there = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert files.keys() == there - left_out
    same = {name: (root / name).read_bytes() for name in files if name != "enrolment.db"}
    assert {name: content for name, content in files.items() if name != "enrolment.db"} == same


def test_a_file_is_read_before_what_it_points_to(study):
    promote(study.folder, 1)
    (study.folder.root / "open-round").mkdir()
    (study.folder.root / "open-round" / "round.json").write_bytes(b"{}")
    names = [name for name, _ in contents(study.folder)]
    order = ("open-round/round.json", "promoted.json", "checkpoints/round-00002/checkpoint.json")
    order += ("ledger.jsonl", "intents.jsonl", "enrolment.db")
    assert [name for name in names if name in order] == list(order)


def test_a_round_between_any_two_files_leaves_a_copy_that_fits_together(study, tmp_path):
    count = len(list(contents(study.folder)))
    for moment in range(0, count, 3):
        files = []
        for position, file in enumerate(contents(study.folder)):
            if position == moment:
                one_round(study)
            files.append(file)
        check(written(files, tmp_path / str(moment)))
        shutil.rmtree(tmp_path / str(moment))


def test_copies_that_are_made_while_rounds_run_fit_together(study, tmp_path):
    rounds = threading.Thread(target=lambda: [one_round(study) for _ in range(8)])
    rounds.start()
    copies = 0
    while rounds.is_alive() or copies == 0:
        check(written(contents(study.folder), tmp_path / str(copies)))
        shutil.rmtree(tmp_path / str(copies))
        copies += 1
    rounds.join()
    assert check(written(contents(study.folder), tmp_path / "last")) == set()


@pytest.fixture
def draft(study):
    """The last checkpoint as it lies there before it takes its name."""
    final = study.folder.checkpoints / "round-00002"
    return final.rename(final.with_name(".round-00002.new"))


def test_a_whole_draft_is_carried_and_one_without_a_record_is_not(study, draft):
    names = {name for name, _ in contents(study.folder)}
    assert {"checkpoints/.round-00002.new/checkpoint.json", "checkpoints/.round-00002.new/model.safetensors"} <= names
    (draft / "checkpoint.json").unlink()
    assert not any(".new" in name for name, _ in contents(study.folder))


@pytest.mark.parametrize("listing", [1, 2])
def test_a_draft_that_takes_its_name_while_it_is_read_is_carried_once_under_it(study, draft, monkeypatch, listing):
    seen, plain = [], collect._listing

    def rename_meanwhile(folder):
        if folder == draft:
            seen.append(folder)
            if len(seen) == listing:
                draft.rename(draft.with_name("round-00002"))
        return plain(folder)

    monkeypatch.setattr(collect, "_listing", rename_meanwhile)
    names = [name for name, _ in contents(study.folder)]
    assert not any(".new" in name for name in names)
    assert "checkpoints/round-00002/model.safetensors" in names


def test_an_open_round_that_never_holds_still_is_left_out(study, monkeypatch):
    path = study.folder.root / "open-round"
    path.mkdir()
    plain = collect._listing

    def change(folder):
        if folder == path:
            (path / "state").write_bytes(
                b"x" * (1 + (path / "state").stat().st_size if (path / "state").exists() else 0)
            )
        return plain(folder)

    monkeypatch.setattr(collect, "_listing", change)
    assert not any(name.startswith("open-round") for name, _ in contents(study.folder))


def test_a_line_that_is_being_written_is_left_out(study):
    whole = study.folder.ledger.read_bytes()
    with open(study.folder.ledger, "ab") as file:
        file.write(b'{"half')
    assert dict(contents(study.folder))["ledger.jsonl"] == whole


def test_the_register_is_copied_as_of_its_last_commit(study, tmp_path):
    Registry(study.folder.enrolment).invite(3600)
    writer = sqlite3.connect(study.folder.enrolment)
    writer.execute("DELETE FROM invitations")
    copy = tmp_path / "copy.db"
    copy.write_bytes(dict(contents(study.folder))["enrolment.db"])
    writer.rollback()
    writer.close()
    assert Registry(copy).open_invitations() == 1
    assert Registry(copy).devices() == Registry(study.folder.enrolment).devices()


def test_what_cannot_be_read_is_named(study):
    (study.folder.root / "broken.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(BackupError, match=r"broken\.db cannot be read"):
        list(contents(study.folder))
