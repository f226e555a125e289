"""A sealed file opens with its passphrase, and with nothing changed."""

import io
import json
import secrets

import pytest

from fl_server.backup import sealed
from fl_server.backup.sealed import SealedWriter, is_sealed, unseal_file
from shared_models.errors import BackupError, KeyStoreError
from shared_models.sealing import SEAL_BYTES

CHUNK = 1 << 20


def sealed_bytes(data, passphrase="correct horse"):
    file = io.BytesIO()
    writer = SealedWriter(file, passphrase)
    for start in range(0, len(data), 300_000):
        writer.write(data[start : start + 300_000])
    writer.flush()
    writer.close()
    return file.getvalue()


@pytest.fixture
def opened(tmp_path):
    def opened(data, passphrase="correct horse"):
        path, plain = tmp_path / "sealed", io.BytesIO()
        path.write_bytes(data)
        assert is_sealed(path)
        unseal_file(path, plain, passphrase)
        return plain.getvalue()

    return opened


@pytest.mark.usefixtures("quick_stretch")
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_what_was_sealed_comes_back(opened, size):
    data = secrets.token_bytes(size)
    assert opened(sealed_bytes(data)) == data


def test_the_passphrase_is_what_opens_it_by_scrypt(opened):
    data = sealed_bytes(b"-----BEGIN PRIVATE KEY-----")
    assert b"PRIVATE" not in data
    header = json.loads(data.splitlines()[1])
    assert header["n"] == 2**16
    assert opened(data) == b"-----BEGIN PRIVATE KEY-----"
    with pytest.raises(KeyStoreError, match="The passphrase does not open"):
        opened(data, "wrong")


@pytest.mark.usefixtures("quick_stretch")
def test_chunks_that_are_changed_moved_doubled_or_dropped_do_not_open(opened):
    whole = sealed_bytes(secrets.token_bytes(2 * CHUNK + 100))
    step = CHUNK + SEAL_BYTES
    start = len(whole) - 2 * step - 100 - SEAL_BYTES
    head, first, second, last = (
        whole[:start],
        whole[start:][:step],
        whole[start + step :][:step],
        whole[-100 - SEAL_BYTES :],
    )
    assert opened(head + first + second + last)
    changed = bytearray(second)
    changed[77] ^= 1
    for chunks in (
        [first, bytes(changed), last],
        [second, first, last],
        [first, first, second, last],
        [first, second],
        [first, last],
        [first, second, last, last],
        [first, second, last[:-1]],
        [first, second, last[:5]],
        [],
    ):
        with pytest.raises(BackupError, match="is not a whole backup"):
            opened(head + b"".join(chunks))


@pytest.mark.usefixtures("quick_stretch")
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"version": 2}, BackupError, "newer version"),
        ({"n": 2**10}, BackupError, "not a whole backup"),
        ({"n": 2**30}, BackupError, "not a whole backup"),
        ({"salt": "zz"}, BackupError, "not a whole backup"),
        ({"more": 1}, BackupError, "not a whole backup"),
        ({"salt": "00" * 16}, KeyStoreError, "first bytes of the file are damaged"),
    ],
)
def test_a_changed_header_is_refused(opened, change, error, words):
    magic, header, rest = sealed_bytes(b"x").split(b"\n", 2)
    header = json.dumps(json.loads(header) | change).encode()
    with pytest.raises(error, match=words):
        opened(b"\n".join([magic, header, rest]))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"attune sealed backup"])
def test_other_files_are_not_sealed(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert not is_sealed(tmp_path / "file")


def test_a_header_that_is_cut_off_is_refused(opened):
    for length in (0, 1, 40):
        with pytest.raises(BackupError, match="not a whole backup"):
            opened(sealed._MAGIC + sealed_bytes(b"x")[len(sealed._MAGIC) :][:length])
