"""A backup comes back whole, in place at once or not at all; and its ledger says so."""

import errno
import os
import stat

import pytest

from fl_server import cli
from fl_server.backup import restore as restore_module
from fl_server.backup.make import back_up
from fl_server.backup.restore import restore
from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from fl_server.models.listing import list_models
from fl_server.models.promotion import promote, read_promoted
from fl_server.models.rollback import roll_back
from fl_server.report.assemble import build_report
from fl_server.report.content.page import report_page
from fl_server.report.html import render_html
from fl_server.retention import next_round, starting_point
from fl_server.rounds import RoundProtocol
from fl_server.settings import RoundSettings
from fl_server.setup import create_federation
from shared_models.errors import (
    BackupError,
    KeyStoreError,
    LedgerError,
    SettingsError,
    StorageError,
    UsageError,
)
from shared_models.privacy.ledger import read_ledger


@pytest.fixture
def file(tmp_path):
    return tmp_path / "study.backup"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "again"


def entries(folder):
    return read_ledger(folder.ledger, load_signing_key(folder).public_key())


def files_in(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def nothing_left(root, file):
    return not root.exists() and sorted(path.name for path in root.parent.iterdir()) == sorted(["study", file.name])


@pytest.mark.usefixtures("quick_stretch")
@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_everything_comes_back_for_its_owner_only(study, file, root, passphrase):
    promote(study.folder, 1)
    manifest = back_up(study.folder, file, passphrase)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (b"PRIVATE KEY" in file.read_bytes()) == (passphrase is None)
    before = files_in(study.folder.root)
    restored = restore(file, root, passphrase, None)
    assert restored.manifest == manifest
    after = files_in(root)
    assert after.keys() == before.keys()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"ledger.jsonl", "enrolment.db"}
    assert after["ledger.jsonl"].startswith(before["ledger.jsonl"])
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert sorted(path.name for path in root.parent.iterdir()) == sorted(["study", file.name, root.name])


def test_what_was_restored_is_a_federation_whose_record_holds(study, file, root):
    promote(study.folder, 1)
    back_up(study.folder, file, None)
    restore(file, root, None, None)
    folder = FederationFolder(root)
    assert [model.round for model in list_models(folder)] == [0, 1, 2]
    assert read_promoted(folder).round == 1
    Checkpoints(folder.checkpoints).load(2)
    report = build_report(folder)
    assert report.report.status == "final"
    assert [(step.after_round, step.to_round) for step in report.ledger.steps_back] == [(2, 2)]


def test_the_ledger_says_where_it_goes_on_and_numbers_may_be_passed_over(study, file, root):
    back_up(study.folder, file, None)
    event = restore(file, root, None, 9).event
    folder = FederationFolder(root)
    assert entries(folder)[-1].body == event
    assert (event.round, event.to_round) == (8, 2)
    assert (starting_point(entries(folder), Checkpoints(folder.checkpoints)), next_round(entries(folder))) == (2, 9)
    report = build_report(folder)
    assert report.ledger.verification == "verified"
    assert "Rounds before it were lost with the server" in render_html(report_page(report))


def test_after_going_back_it_goes_on_from_there(study, file, root):
    roll_back(study.folder, 1)
    back_up(study.folder, file, None)
    event = restore(file, root, None, None).event
    assert (event.round, event.to_round) == (2, 1)


def test_before_the_first_round_there_may_be_no_ledger_or_not_even_a_model(small_study, file, root, tmp_path):
    back_up(small_study.folder, file, None)
    event = restore(file, root, None, 4).event
    assert (event.round, event.to_round) == (3, 0)
    assert build_report(FederationFolder(root)).ledger.verification == "verified"
    create_federation(tmp_path / "new", {})
    back_up(FederationFolder(tmp_path / "new"), file, None)
    with pytest.raises(UsageError, match="has not begun"):
        restore(file, tmp_path / "other", None, 4)
    assert restore(file, tmp_path / "other", None, None).event is None
    assert not FederationFolder(tmp_path / "other").ledger.exists()


def test_devices_that_are_further_answer_from_the_number_that_was_passed_on_to(
    study, file, root, policy, model, make_laptop, make_receipt, connect, grid, clock
):
    """Devices answered round 8 of the lost server; the backup ends at round 2."""
    laptops = {node: make_laptop(node, sequences=1) for node in (1, 2)}
    for node, laptop in laptops.items():
        connect(node, laptop)
    registered = {node: laptop.registered for node, laptop in laptops.items()}
    protocol = RoundProtocol(
        "seminar", policy, RoundSettings(min_devices=2), lambda device: make_receipt(device=device), clock
    )
    back_up(study.folder, file, None)
    assert len(protocol.collect(grid, model, 8, registered).intents) == 2
    paid = [laptop.journal().participations for laptop in laptops.values()]

    restore(file, root, None, 9)
    assert protocol.collect(grid, model, 3, registered).rejected == {"device_task": 2}
    assert [laptop.journal().participations for laptop in laptops.values()] == paid
    number = next_round(entries(FederationFolder(root)))
    assert len(protocol.collect(grid, model, number, registered).intents) == 2
    assert [laptop.journal().participations for laptop in laptops.values()] == [count + 1 for count in paid]


def test_a_number_in_use_is_refused(study, file, root):
    back_up(study.folder, file, None)
    with pytest.raises(UsageError, match="rounds up to 2 are in the backup"):
        restore(file, root, None, 2)
    assert nothing_left(root, file)


def test_a_folder_with_anything_in_it_is_left_alone(study, file, root):
    back_up(study.folder, file, None)
    before = files_in(study.folder.root)
    with pytest.raises(SettingsError, match="is not an empty folder"):
        restore(file, study.folder.root, None, None)
    assert files_in(study.folder.root) == before
    root.write_text("a file")
    with pytest.raises(SettingsError):
        restore(file, root, None, None)
    root.unlink()
    root.mkdir()
    restore(file, root, None, None)


def test_damage_leaves_nothing_behind(study, file, root):
    back_up(study.folder, file, None)
    whole = file.read_bytes()
    key = study.folder.ca_key.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole.replace(key, key[:-9] + b"x" + key[-8:]), b"", b"PK"):
        file.write_bytes(damaged)
        with pytest.raises(BackupError, match="is not a whole backup"):
            restore(file, root, None, None)
        assert nothing_left(root, file)
    file.unlink()
    with pytest.raises(BackupError, match="cannot be read"):
        restore(file, root, None, None)


def test_a_ledger_that_does_not_hold_is_not_restored(study, file, root):
    study.folder.ledger.write_bytes(study.folder.ledger.read_bytes().replace(b'"round":1', b'"round":7'))
    back_up(study.folder, file, None)
    with pytest.raises(LedgerError):
        restore(file, root, None, None)
    assert nothing_left(root, file)


@pytest.mark.usefixtures("quick_stretch")
def test_without_the_passphrase_nothing_is_restored(study, file, root):
    back_up(study.folder, file, "correct horse")
    for passphrase, words in ((None, "is sealed with a passphrase"), ("wrong", "does not open")):
        with pytest.raises(KeyStoreError, match=words):
            restore(file, root, passphrase, None)
        assert nothing_left(root, file)


@pytest.mark.parametrize("fails_at", [1, 7, 20, "rename"])
def test_a_disk_that_is_full_leaves_nothing_behind(study, file, root, monkeypatch, fails_at):
    back_up(study.folder, file, None)
    syncs = []

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(descriptor):
        syncs.append(descriptor)
        if len(syncs) == fails_at:
            full()

    with monkeypatch.context() as disk:
        if fails_at == "rename":
            disk.setattr(restore_module.os, "rename", full)
        else:
            disk.setattr(restore_module.os, "fsync", sync)
        with pytest.raises(StorageError, match="the disk is full"):
            restore(file, root, None, None)
    assert nothing_left(root, file)


def test_a_disk_that_is_full_keeps_the_backup_before(study, file, monkeypatch):
    back_up(study.folder, file, None)
    before = file.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        back_up(study.folder, file, None)
    assert file.read_bytes() == before
    assert len(list(file.parent.iterdir())) == 2


def test_a_backup_does_not_lie_in_what_it_is_of(study):
    with pytest.raises(UsageError, match="lies in the folder"):
        back_up(study.folder, study.folder.root / "study.backup", None)


def test_on_the_command_line(study, file, root, leave, capsys, tmp_path):
    def run(*arguments):
        code = leave(cli.run, *arguments)
        return code, " ".join(capsys.readouterr().out.split())

    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    code, text = run("backup", study.folder.root, file)
    assert (code, "private keys in the open" in text) == (0, True)
    code, text = run("backup", study.folder.root, file, "--passphrase-file", passphrase)
    assert (code, "private keys" in text) == (0, False)
    assert run("restore", file, root) == (24, "")
    code, text = run("restore", file, root, "--passphrase-file", passphrase, "--next-round", 5)
    assert code == 0
    assert "Round 5 will start from the model of round 2" in text
    assert "nothing is refunded" in text
    assert run("restore", file, root, "--passphrase-file", passphrase) == (10, "")
    assert run("backup", tmp_path / "nowhere", file)[0] == 10
    passphrase.write_text("\n")
    assert run("backup", study.folder.root, file, "--passphrase-file", passphrase)[0] == 24
    assert run("backup", study.folder.root, file, "--passphrase-file", tmp_path / "none")[0] == 24
