import keyring
import pytest
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as FailKeyring
from keyring.backends.null import Keyring as NullKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from fl_client.keys import KeyringVault, find_backend, open_vault
from fl_client.passphrase import PASSPHRASE_FILE, PassphraseVault
from shared_models.errors import KeyStoreError


class MemoryKeyring:
    """Stands for a desktop's key store: the module's name is what tells backends apart.

    It does not inherit from KeyringBackend, which would offer it to the whole test run.
    """

    __module__ = "keyring.backends.SecretService"

    def __init__(self):
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("no such password")


class PlaintextKeyring(MemoryKeyring):
    __module__ = "keyrings.alt.file"


class LockedKeyring(MemoryKeyring):
    def get_password(self, *_):
        raise KeyringLocked("the collection is locked")

    set_password = get_password


class Chain:
    __module__ = ChainerBackend.__module__

    def __init__(self, *backends):
        self.backends = backends


@pytest.fixture
def system(monkeypatch):
    """Sets the key store of this system, with no passphrase file in the environment."""
    monkeypatch.delenv(PASSPHRASE_FILE, raising=False)
    return lambda backend: monkeypatch.setattr(keyring, "get_keyring", lambda: backend)


@pytest.mark.parametrize(
    "backend", [NullKeyring(), FailKeyring(), PlaintextKeyring(), Chain(PlaintextKeyring(), NullKeyring())]
)
def test_a_key_store_that_does_not_encrypt_is_refused(tmp_path, system, backend):
    system(backend)
    with pytest.raises(KeyStoreError, match="nowhere safe"):
        open_vault(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not getattr(backend, "kept", None)


def test_a_chain_is_searched_for_a_part_that_encrypts():
    good = MemoryKeyring()
    assert find_backend(Chain(PlaintextKeyring(), good)) is good
    assert hasattr(ChainerBackend, "backends")  # what the chain above stands for


def test_keys_live_in_the_key_store_and_outlast_the_program(tmp_path, system):
    backend = MemoryKeyring()
    system(backend)
    key = open_vault(tmp_path).create("store")
    assert open_vault(tmp_path).key("store") == key
    assert len(key) == 32
    assert all(key.hex() not in file.read_text() for file in tmp_path.iterdir())
    open_vault(tmp_path).destroy("store")
    assert backend.kept == {}
    with pytest.raises(KeyStoreError, match="'store' is not in"):
        open_vault(tmp_path).key("store")


def test_two_devices_on_one_machine_do_not_share_keys(tmp_path, system):
    system(MemoryKeyring())
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    keys = [open_vault(folder).create("store") for folder in folders]
    assert [open_vault(folder).key("store") for folder in folders] == keys


def test_the_kind_of_vault_is_settled_at_first_use(tmp_path, system, monkeypatch):
    system(MemoryKeyring())
    key = open_vault(tmp_path).create("store")
    (tmp_path / "passphrase").write_text("set later")
    monkeypatch.setenv(PASSPHRASE_FILE, str(tmp_path / "passphrase"))
    assert open_vault(tmp_path).key("store") == key


def test_a_passphrase_file_is_preferred_to_the_key_store(tmp_path, system, monkeypatch):
    backend = MemoryKeyring()
    system(backend)
    (tmp_path / "passphrase").write_text("chosen by the operator")
    monkeypatch.setenv(PASSPHRASE_FILE, str(tmp_path / "passphrase"))
    assert isinstance(open_vault(tmp_path), PassphraseVault)
    assert isinstance(open_vault(tmp_path), PassphraseVault)
    assert backend.kept == {}


def test_without_a_key_store_the_passphrase_is_asked_for(tmp_path, system):
    system(FailKeyring())
    prompts = []

    def ask(prompt):
        prompts.append(prompt)
        return "asked for"

    key = open_vault(tmp_path, ask).create("store")
    assert open_vault(tmp_path, ask).key("store") == key
    assert len(prompts) == 3  # twice to choose it, once to open


def test_a_key_store_that_vanished_is_named(tmp_path, system):
    system(MemoryKeyring())
    open_vault(tmp_path)
    system(FailKeyring())
    with pytest.raises(KeyStoreError, match="cannot be used"):
        open_vault(tmp_path)


def test_a_locked_key_store_is_an_error_not_a_missing_key():
    vault = KeyringVault(LockedKeyring(), "device")
    for action in (vault.key, vault.create, vault.destroy):
        with pytest.raises(KeyStoreError, match="the collection is locked"):
            action("store")


def test_a_damaged_account_file_is_named(tmp_path, system):
    system(MemoryKeyring())
    (tmp_path / "keyring.json").write_text("{}")
    with pytest.raises(KeyStoreError, match=r"keyring\.json"):
        open_vault(tmp_path)


def test_an_account_file_of_a_newer_version_is_not_called_damaged(tmp_path, system):
    system(MemoryKeyring())
    (tmp_path / "keyring.json").write_text('{"version": 2, "accounts": []}')
    with pytest.raises(KeyStoreError, match=r"keyring\.json was written by a newer version of Attune. Update Attune"):
        open_vault(tmp_path)
