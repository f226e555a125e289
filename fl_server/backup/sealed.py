"""A file sealed with a passphrase: AES-256-GCM, chunk by chunk, under a key that scrypt makes of the passphrase.

A first line says what the file is, a second how the key is made; then come sealed chunks of one size but for the last.
Each is bound to its place and to whether it is the last: one that is moved, doubled or dropped does not open.
"""

import secrets
from pathlib import Path
from typing import IO, Annotated, Literal

from cryptography.exceptions import InvalidTag
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fl_server.backup.archive import check_version, damaged
from shared_models.errors import KeyStoreError
from shared_models.passphrase import COST, LARGEST_COST, SALT_BYTES, stretch
from shared_models.sealing import SEAL_BYTES, seal, unseal

_MAGIC = b"attune sealed backup\n"
_CHECK = b"attune backup passphrase check"
_CHUNK = 1 << 20
_LONGEST_LINE = 1000
_Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class _Header(BaseModel):
    """How the key is made; `check` opens with the right one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    salt: _Hex
    n: int = Field(default=COST, ge=COST, le=LARGEST_COST)
    check: _Hex


class SealedWriter:
    """Takes plain bytes and writes them sealed to `file`; `close` writes the last chunk and leaves `file` open."""

    def __init__(self, file: IO[bytes], passphrase: str) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        self._file, self._key = file, stretch(passphrase, salt, COST)
        self._waiting, self._written = bytearray(), 0
        header = _Header(salt=salt.hex(), check=seal(self._key, b"", _CHECK).hex())
        file.write(_MAGIC + header.model_dump_json().encode() + b"\n")

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) > _CHUNK:
            self._write(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]
        return len(data)

    def flush(self) -> None:
        """Nothing: a chunk is written when it is full."""

    def close(self) -> None:
        self._write(bytes(self._waiting), last=True)

    def _write(self, chunk: bytes, last: bool) -> None:
        self._file.write(seal(self._key, chunk, _place(self._written, last)))
        self._written += 1


def is_sealed(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def unseal_file(path: Path, plain: IO[bytes], passphrase: str) -> None:
    """Writes what is sealed in `path` to `plain`.

    Raises KeyStoreError where the passphrase is wrong, BackupError where the file is damaged or cut short.
    """
    with open(path, "rb") as file:
        file.seek(len(_MAGIC))
        key = _key(file.readline(_LONGEST_LINE), path, passphrase)
        number, chunk = 0, file.read(_CHUNK + SEAL_BYTES)
        while chunk:
            following = file.read(_CHUNK + SEAL_BYTES)
            try:
                plain.write(unseal(key, chunk, _place(number, last=not following)))
            except InvalidTag as error:
                raise damaged(path) from error
            number, chunk = number + 1, following
        if number == 0:
            raise damaged(path)


def _key(line: bytes, path: Path, passphrase: str) -> bytes:
    try:
        check_version(line, path)
        header = _Header.model_validate_json(line)
    except ValidationError as error:
        raise damaged(path) from error
    key = stretch(passphrase, bytes.fromhex(header.salt), header.n)
    try:
        unseal(key, bytes.fromhex(header.check), _CHECK)
    except InvalidTag as error:
        raise KeyStoreError(
            f"The passphrase does not open {path}",
            why="it is another one, or the first bytes of the file are damaged",
            fix="Try the passphrase that the backup was made with; without it nothing can be restored",
        ) from error
    return key


def _place(number: int, last: bool) -> bytes:
    return f"attune backup chunk {number} {'last' if last else 'more'}".encode()
