"""The keys that open what is stored on this device, kept apart from what they open.

A vault keeps named 32-byte keys in the operating system's key store or, where there is none, in a file
sealed under a passphrase. Destroying a key makes all that was sealed with it unreadable, copies included.
"""

import os
import secrets
from pathlib import Path
from typing import Literal, Protocol

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fl_client.passphrase import (
    PASSPHRASE_FILE,
    AskPassphrase,
    PassphraseVault,
    read_passphrase,
    require_known,
)
from shared_models.errors import KeyStoreError
from shared_models.files import atomic_write
from shared_models.sealing import new_key

_SERVICE = "attune"
# A list of what is trusted: a backend that nobody here has looked at may keep its keys in a plain file.
_TRUSTED_BACKENDS = {
    f"keyring.backends.{name}" for name in ("SecretService", "Windows", "kwallet", "libsecret", "macOS")
}


class KeyVault(Protocol):
    """Named 32-byte keys."""

    def create(self, name: str) -> bytes:
        """A new random key, kept as `name` in place of an earlier one."""

    def key(self, name: str) -> bytes:
        """The key called `name`; raises KeyStoreError where there is none or it cannot be opened."""

    def destroy(self, name: str) -> None:
        """Forget the key called `name` for good; needs no passphrase, and no such key."""

    def note(self, name: str, text: str) -> None:
        """Remember a short text, in place of an earlier one, where the vault lies outside the device's folder."""

    def noted(self, name: str) -> str | None:
        """The text that was last noted under `name`; None where there is none."""


def open_vault(folder: Path, ask: AskPassphrase | None = None) -> KeyVault:
    """The vault of the device whose files lie in `folder`, which must exist; a new vault on first use.

    A new vault uses the passphrase in the file that ATTUNE_PASSPHRASE_FILE names, else the system's key
    store, else a passphrase from `ask`, which is called with the words to prompt with.

    Raises KeyStoreError where there is none of the three, StorageError where `folder` cannot be written.
    """
    sealed, account = folder / "keys.json", folder / "keyring.json"
    if sealed.is_file():
        return PassphraseVault(sealed, lambda: read_passphrase(ask, "Passphrase"))
    backend = find_backend(keyring.get_keyring())
    if account.is_file():
        if backend is None:
            raise KeyStoreError(
                "The key store of this system, which holds this device's keys, cannot be used",
                why="it is missing, or does not encrypt what it keeps",
                fix="Log in to the desktop session in which the device was enrolled",
            )
        return KeyringVault(backend, _read_account(account))
    if backend is not None and PASSPHRASE_FILE not in os.environ:
        return _new_keyring_vault(account, backend)
    return PassphraseVault.make(sealed, ask)


def find_backend(backend: KeyringBackend) -> KeyringBackend | None:
    """`backend`, or the first link of a chain of them, that encrypts what it keeps; None where none does."""
    links = getattr(backend, "backends", [backend])
    return next((link for link in links if type(link).__module__ in _TRUSTED_BACKENDS), None)


class KeyringVault:
    """Keys in the operating system's key store, under one account name for each device folder."""

    def __init__(self, backend: KeyringBackend, account: str) -> None:
        self._backend, self._account = backend, account

    def create(self, name: str) -> bytes:
        key = new_key()
        self.note(name, key.hex())
        return key

    def key(self, name: str) -> bytes:
        found = self.noted(name)
        if found is None:
            raise KeyStoreError(
                f"The key '{name}' is not in this system's key store",
                why="it was destroyed, or the device was enrolled by another user",
                fix="Log in as the user who enrolled it, or delete the stored data and start again",
            )
        return bytes.fromhex(found)

    def destroy(self, name: str) -> None:
        if self.noted(name) is not None:
            try:
                self._backend.delete_password(_SERVICE, self._user(name))
            except KeyringError as error:
                raise _unreachable(error) from error

    def note(self, name: str, text: str) -> None:
        try:
            self._backend.set_password(_SERVICE, self._user(name), text)
        except KeyringError as error:
            raise _unreachable(error) from error

    def noted(self, name: str) -> str | None:
        try:
            return self._backend.get_password(_SERVICE, self._user(name))
        except KeyringError as error:
            raise _unreachable(error) from error

    def _user(self, name: str) -> str:
        return f"{self._account}/{name}"


class _Account(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    account: str = Field(pattern=r"^[0-9a-f]{16}$")


def _new_keyring_vault(path: Path, backend: KeyringBackend) -> KeyringVault:
    account = _Account(account=secrets.token_hex(8))
    atomic_write(path, account.model_dump_json().encode())
    return KeyringVault(backend, account.account)


def _read_account(path: Path) -> str:
    try:
        content = path.read_bytes()
        require_known(path, content)
        return _Account.model_validate_json(content).account
    except (OSError, ValidationError) as error:
        raise KeyStoreError(f"{path} cannot be read", why="it is damaged", fix="Restore it from a backup") from error


def _unreachable(error: KeyringError) -> KeyStoreError:
    return KeyStoreError(
        "This system's key store did not answer",
        why=str(error) or type(error).__name__,
        fix="Unlock it and try again",
    )
