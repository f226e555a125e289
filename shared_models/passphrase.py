"""A key from a passphrase, and the file that the passphrase is read from."""

from pathlib import Path

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from shared_models.errors import KeyStoreError
from shared_models.sealing import KEY_BYTES

COST, LARGEST_COST = 2**16, 2**18
"""scrypt's n in new files, and the largest that is taken: bounds that keep an altered file from weakening the
passphrase or filling the memory."""
SALT_BYTES = 16
_BLOCK = 8


def stretch(passphrase: str, salt: bytes, n: int) -> bytes:
    """The key of this passphrase by scrypt (RFC 7914): 128 * n * 8 bytes of memory a guess, 64 MiB at `COST`."""
    return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=_BLOCK, p=1).derive(passphrase.encode())


def passphrase_in(path: Path, fix: str) -> str:
    """What the file `path` holds, without a line end; raises KeyStoreError, with `fix`, where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyStoreError(
            f"The passphrase file {path} cannot be read",
            why=getattr(error, "strerror", None) or "it is not text",
            fix=fix,
        ) from error
