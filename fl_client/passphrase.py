"""Keys sealed under a passphrase, for a device without a key store that encrypts."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidTag
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_models.errors import KeyStoreError
from shared_models.files import atomic_write, in_turn
from shared_models.passphrase import COST, LARGEST_COST, SALT_BYTES, passphrase_in, stretch
from shared_models.sealing import new_key, seal, unseal

VERSION: Final = 1
"""Of the files that say where a device's keys are."""
PASSPHRASE_FILE = "ATTUNE_PASSPHRASE_FILE"

AskPassphrase = Callable[[str], str]

_CHECK = b"attune passphrase check"
_Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class _KeyFile(BaseModel):
    """Keys sealed under what `stretch` makes of the passphrase."""

    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = VERSION
    salt: _Hex
    n: int = Field(default=COST, ge=COST, le=LARGEST_COST)
    r: Literal[8] = 8
    p: Literal[1] = 1
    check: _Hex
    keys: dict[str, _Hex]


class PassphraseVault:
    """Random keys in a file, each sealed under the passphrase.

    The passphrase is asked for only when a key is made or read, so that one who forgot it can still destroy.
    """

    def __init__(self, path: Path, passphrase: Callable[[], str]) -> None:
        self._path, self._passphrase = path, passphrase
        self._wrapping: bytes | None = None

    @classmethod
    def make(cls, path: Path, ask: AskPassphrase | None) -> "PassphraseVault":
        """A new, empty vault at `path`; raises KeyStoreError where no passphrase can be had."""
        passphrase = _choose_passphrase(ask)
        file = _KeyFile(salt=secrets.token_hex(SALT_BYTES), check="00", keys={})
        file.check = seal(_stretched(file, passphrase), b"", _CHECK).hex()
        atomic_write(path, file.model_dump_json().encode())
        return cls(path, lambda: passphrase)

    def create(self, name: str) -> bytes:
        wrapping, key = self._unlock(self._read()), new_key()
        with self._changed() as file:
            file.keys[name] = seal(wrapping, key, name.encode()).hex()
        return key

    def key(self, name: str) -> bytes:
        file = self._read()
        wrapping = self._unlock(file)
        if name not in file.keys:
            raise KeyStoreError(
                f"The key '{name}' is not in {self._path}",
                why="it was destroyed, or the file was put back from a backup",
                fix="Delete the stored data and start again",
            )
        try:
            return unseal(wrapping, bytes.fromhex(file.keys[name]), name.encode())
        except InvalidTag as error:
            raise _damaged(self._path) from error

    def destroy(self, name: str) -> None:
        with self._changed() as file:
            file.keys.pop(name, None)

    def note(self, name: str, text: str) -> None:
        """Nothing: this vault lies beside what it would vouch for, and would be put back from a backup with it."""

    def noted(self, name: str) -> str | None:
        return None

    @contextmanager
    def _changed(self) -> Iterator[_KeyFile]:
        """The file as it is, to be changed; no other process writes it meanwhile, which could bring a key back."""
        with in_turn(self._path.with_suffix(".lock")):
            file = self._read()
            before = file.model_copy(deep=True)
            yield file
            if file != before:
                atomic_write(self._path, file.model_dump_json().encode())

    def _read(self) -> _KeyFile:
        try:
            content = self._path.read_bytes()
            require_known(self._path, content)
            return _KeyFile.model_validate_json(content)
        except (OSError, ValidationError) as error:
            raise _damaged(self._path) from error

    def _unlock(self, file: _KeyFile) -> bytes:
        """The key that seals the keys, once the check value shows that the passphrase is right."""
        if self._wrapping is None:
            wrapping = _stretched(file, self._passphrase())
            try:
                unseal(wrapping, bytes.fromhex(file.check), _CHECK)
            except InvalidTag as error:
                raise KeyStoreError(
                    "The passphrase is wrong",
                    fix="Try again; without it the stored data cannot be opened, only deleted",
                ) from error
            self._wrapping = wrapping
        return self._wrapping


def require_known(path: Path, content: bytes) -> None:
    """Raises KeyStoreError where `content` of a JSON file says that a newer version of this program wrote it."""
    with suppress(ValueError):
        facts = json.loads(content)
        if isinstance(facts, dict) and isinstance(facts.get("version"), int) and facts["version"] > VERSION:
            raise KeyStoreError(f"{path} was written by a newer version of Attune", fix="Update Attune")


def read_passphrase(ask: AskPassphrase | None, prompt: str) -> str:
    """The passphrase from the file that ATTUNE_PASSPHRASE_FILE names, else from `ask(prompt)`.

    Raises KeyStoreError where there is neither, or it is empty.
    """
    path = os.environ.get(PASSPHRASE_FILE)
    if path is not None:
        passphrase = passphrase_in(Path(path), f"Correct {PASSPHRASE_FILE}, or unset it to be asked for the passphrase")
    elif ask is not None:
        passphrase = ask(prompt)
    else:
        raise KeyStoreError(
            "This device has nowhere safe to keep its keys",
            why="there is no system key store that encrypts, and no passphrase",
            fix=f"Name a file that holds a passphrase in {PASSPHRASE_FILE}, or unlock a key store",
        )
    if not passphrase:
        raise KeyStoreError("The passphrase is empty", fix="Choose one of several words")
    return passphrase


def _choose_passphrase(ask: AskPassphrase | None) -> str:
    chosen = read_passphrase(ask, "Choose a passphrase for the data on this device")
    if read_passphrase(ask, "The same passphrase again") != chosen:
        raise KeyStoreError("The two passphrases differ", fix="Try again")
    return chosen


def _stretched(file: _KeyFile, passphrase: str) -> bytes:
    return stretch(passphrase, bytes.fromhex(file.salt), file.n)


def _damaged(path: Path) -> KeyStoreError:
    return KeyStoreError(
        f"The key file {path} cannot be used",
        why="it is missing or damaged",
        fix="Restore it from a backup, or delete the stored data and start again",
    )
