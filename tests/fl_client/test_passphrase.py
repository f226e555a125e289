import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from fl_client.passphrase import PASSPHRASE_FILE, PassphraseVault, read_passphrase
from shared_models.errors import KeyStoreError


@pytest.fixture(autouse=True)
def _no_passphrase_file(monkeypatch):
    monkeypatch.delenv(PASSPHRASE_FILE, raising=False)


def right(prompt: str = "") -> str:
    return "correct horse battery"


def test_a_key_comes_back_with_the_passphrase_only(tmp_path):
    path = tmp_path / "keys.json"
    key = PassphraseVault.make(path, right).create("store")
    assert len(key) == 32
    assert PassphraseVault(path, right).key("store") == key
    with pytest.raises(KeyStoreError, match="The passphrase is wrong"):
        PassphraseVault(path, lambda: "wrong").key("store")
    with pytest.raises(KeyStoreError, match="The passphrase is wrong"):
        PassphraseVault(path, lambda: "wrong").create("another")


def test_the_file_is_private_and_holds_neither_key_nor_passphrase(tmp_path):
    path = tmp_path / "keys.json"
    key = PassphraseVault.make(path, right).create("store")
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert right() not in text
    assert key.hex() not in text
    file = json.loads(text)
    assert (file["n"], file["r"], file["p"]) == (2**16, 8, 1)


def test_a_destroyed_key_is_gone_and_needs_no_passphrase_to_go(tmp_path):
    path = tmp_path / "keys.json"
    PassphraseVault.make(path, right).create("store")

    def forgotten() -> str:
        raise NotImplementedError("the passphrase must not be asked for")

    vault = PassphraseVault(path, forgotten)
    vault.destroy("store")
    vault.destroy("store")
    with pytest.raises(KeyStoreError, match="'store' is not in"):
        PassphraseVault(path, right).key("store")


def test_keys_cannot_trade_places(tmp_path):
    path = tmp_path / "keys.json"
    vault = PassphraseVault.make(path, right)
    vault.create("one")
    vault.create("two")
    file = json.loads(path.read_text())
    file["keys"]["one"] = file["keys"]["two"]
    path.write_text(json.dumps(file))
    with pytest.raises(KeyStoreError, match="damaged"):
        vault.key("one")


@pytest.mark.parametrize(
    "change", [{"n": 2**40}, {"n": 1024}, {"version": 0}, {"salt": "salt"}, {"keys": None}, {"extra": 1}]
)
def test_an_altered_file_is_refused_before_it_costs_anything(tmp_path, change):
    path = tmp_path / "keys.json"
    file = {"salt": "00" * 16, "check": "00", "keys": {}, **change}
    path.write_text(json.dumps(file))
    with pytest.raises(KeyStoreError, match="damaged"):
        PassphraseVault(path, right).key("store")


def test_a_new_passphrase_is_asked_for_twice(tmp_path):
    answers = iter(["one", "another"])
    with pytest.raises(KeyStoreError, match="differ"):
        PassphraseVault.make(tmp_path / "keys.json", lambda prompt: next(answers))
    assert not (tmp_path / "keys.json").exists()


def test_the_file_that_the_environment_names_comes_first(tmp_path, monkeypatch):
    (tmp_path / "passphrase").write_text("from the file\n")
    monkeypatch.setenv(PASSPHRASE_FILE, str(tmp_path / "passphrase"))
    assert read_passphrase(right, "Passphrase") == "from the file"


def test_no_passphrase_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(KeyStoreError, match=PASSPHRASE_FILE):
        read_passphrase(None, "Passphrase")
    with pytest.raises(KeyStoreError, match="empty"):
        read_passphrase(lambda prompt: "", "Passphrase")
    monkeypatch.setenv(PASSPHRASE_FILE, str(tmp_path / "absent"))
    with pytest.raises(KeyStoreError, match="absent cannot be read"):
        read_passphrase(None, "Passphrase")


def test_a_file_of_a_newer_version_is_not_called_damaged(tmp_path):
    path = tmp_path / "keys.json"
    vault = PassphraseVault.make(path, right)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2, "kdf": "better"}))
    for use in (vault.key, vault.create, vault.destroy):
        with pytest.raises(KeyStoreError, match=r"keys\.json was written by a newer version of Attune. Update Attune"):
            use("store")


@pytest.mark.usefixtures("quick_disk")
def test_two_programs_that_change_it_at_once_bring_no_key_back(tmp_path):
    """Each reads the file before the other one writes it, but for the lock."""
    path = tmp_path / "keys.json"
    vaults = [PassphraseVault.make(path, right), PassphraseVault(path, right)]
    for name in ("a", "b"):
        for vault in vaults:
            vault.create(name)
    with ThreadPoolExecutor(2) as both:
        for _ in range(20):
            list(both.map(lambda vault, name: vault.destroy(name), vaults, ("a", "b")))
            assert json.loads(path.read_text())["keys"] == {}
            list(both.map(lambda vault, name: vault.create(name), vaults, ("a", "b")))
            assert set(json.loads(path.read_text())["keys"]) == {"a", "b"}
