"""`fl-client data` as its owner uses it, with harm done to the store in between."""

import json
import sqlite3
from hashlib import sha256

import keyring
import numpy as np
import pytest
from keyring.errors import KeyringLocked

from fl_client import cli, keys
from fl_client.keys import open_vault
from fl_client.store import Store

pytestmark = pytest.mark.usefixtures("quick_disk")


@pytest.fixture(autouse=True)
def passphrase(tmp_path, monkeypatch):
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery staple")
    monkeypatch.setenv("ATTUNE_PASSPHRASE_FILE", str(file))
    monkeypatch.setattr(keys, "find_backend", lambda backend: None)
    monkeypatch.setattr("fl_client.passphrase.stretch", lambda secret, salt, n: sha256(salt + secret.encode()).digest())
    return file


@pytest.fixture
def run(leave, laptop, monkeypatch):
    monkeypatch.setattr("fl_client.core_dumps.leave_none", lambda: None)
    return lambda *arguments: leave(cli.run, "data", *arguments, "--home", laptop.home.root)


@pytest.fixture
def names(laptop):
    """Two stored sequences by their names."""
    with Store(laptop.home.store, open_vault(laptop.home.root)) as store:
        return [
            store.add(np.full((2, 1, 4, 4), i, np.uint8), i, label, "probe", laptop.consent.current().since)
            for i, label in enumerate(("happiness", "sadness"))
        ]


@pytest.fixture
def listed(run, capsys):
    def listed():
        capsys.readouterr()
        assert run("list", "--json") == 0
        return json.loads(capsys.readouterr().out)

    return listed


def error(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_what_is_stored_is_listed(run, names, listed, laptop, capsys):
    first, second = listed()
    assert first == {
        "id": names[0],
        "label": "happiness",
        "source": "probe",
        "captured_at": laptop.consent.current().since.isoformat(),
        "damaged": None,
    }
    assert second["id"] == names[1]
    laptop.home.settings.write_text("[store]\nkeep_days = 12\nmax_mib = 3\n")
    assert run("list") == 0
    said = capsys.readouterr().out
    assert "2 sequences, 0.0 MiB of at most 3; each is deleted when it is 12 days old" in " ".join(said.split())
    assert "cannot be opened" not in said


def test_a_damaged_one_is_marked_left_out_and_deleted_by_name(run, names, listed, laptop, tmp_path, capsys):
    (laptop.home.store / "sessions" / names[0]).unlink()
    assert [row["damaged"] for row in listed()] == ["its file is missing", None]
    assert run("list") == 0
    said = capsys.readouterr().out
    assert f"{names[0]}  cannot be opened: its file is missing" in said
    assert "1 of them cannot be opened" in said
    assert run("export", tmp_path / "mine", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"folder": str(tmp_path / "mine"), "sequences": 1, "damaged": 1}
    assert "is not encrypted" in told.err
    assert run("delete", names[0]) == 0
    assert [row["id"] for row in listed()] == names[1:]
    assert laptop.home.erasures.exists()


def test_an_export_is_a_folder_of_pictures_and_overwrites_nothing(run, names, tmp_path, capsys):
    assert run("export", tmp_path / "mine") == 0
    told = capsys.readouterr()
    assert "Exported 2 sequences." in told.out
    assert "whoever reads that folder sees your face" in " ".join(told.err.split())
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        "0001.png",
        "0002.png",
        "sequences.csv",
        "README.txt",
    }
    assert run("export", tmp_path / "mine") == 2
    assert "is there already" in error(capsys)


def test_a_name_that_is_not_there_deletes_nothing(run, names, listed, capsys):
    assert run("delete", names[0], "nobody") == 11
    assert "There is no sequence nobody. Nothing was deleted" in error(capsys)
    assert len(listed()) == 2


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["export", "mine"], ["delete", "one"]])
def test_a_damaged_index_and_a_newer_one_are_one_sentence_each_and_all_can_still_be_deleted(
    run, names, listed, laptop, capsys, command
):
    index = laptop.home.store / "index.sqlite"
    index.write_bytes(index.read_bytes()[:3000])
    assert run(*command) == 20
    assert "is damaged" in error(capsys)
    assert run("delete", "--all") == 0
    assert listed() == []
    with sqlite3.connect(index) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert run(*command) == 20
    assert "was written by a newer version of Attune" in error(capsys)


def test_a_wrong_passphrase_opens_nothing_and_can_delete_everything(run, names, listed, passphrase, capsys):
    passphrase.write_text("something else")
    assert run("list") == 24
    assert "The passphrase is wrong" in error(capsys)
    assert run("delete", "--all") == 0
    passphrase.write_text("correct horse battery staple")
    assert listed() == []


class Desktop:
    """Stands for a desktop's key store, which may be locked."""

    def __init__(self):
        self.kept, self.locked = {}, False

    def _open(self):
        if self.locked:
            raise KeyringLocked("the collection is locked")
        return self.kept

    def get_password(self, service, username):
        return self._open().get((service, username))

    def set_password(self, service, username, password):
        self._open()[service, username] = password

    def delete_password(self, service, username):
        del self._open()[service, username]


def test_a_locked_key_store_is_a_sentence_and_loses_nothing_but_what_is_to_be_deleted(
    run, laptop, listed, monkeypatch, capsys
):
    desktop = Desktop()
    monkeypatch.delenv("ATTUNE_PASSPHRASE_FILE")
    monkeypatch.setattr(keyring, "get_keyring", lambda: desktop)
    monkeypatch.setattr(keys, "find_backend", lambda backend: backend)
    with Store(laptop.home.store, open_vault(laptop.home.root)) as store:
        kept = store.add(np.zeros((2, 1, 4, 4), np.uint8), 0, "neutral", "probe", laptop.consent.current().since)
    desktop.locked = True
    for command in (["list"], ["export", "mine"], ["delete", kept]):
        assert run(*command) == 24
        assert "key store did not answer: the collection is locked. Unlock it and try again" in error(capsys)
    desktop.locked = False
    assert [row["id"] for row in listed()] == [kept]
    desktop.locked = True
    assert run("delete", "--all") == 24
    assert not list((laptop.home.store / "sessions").iterdir()), "though the key could not be destroyed yet"
    desktop.locked = False
    assert run("delete", "--all") == 0
    assert desktop.kept == {}
