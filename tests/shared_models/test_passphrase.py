import pytest

from shared_models.errors import KeyStoreError
from shared_models.passphrase import COST, passphrase_in, stretch
from shared_models.sealing import KEY_BYTES


def test_a_key_follows_from_passphrase_and_salt_alone():
    salt = bytes(16)
    key = stretch("correct horse", salt, COST)
    assert len(key) == KEY_BYTES
    assert stretch("correct horse", salt, COST) == key
    assert stretch("correct hors", salt, COST) != key
    assert stretch("correct horse", bytes(15) + b"\1", COST) != key


@pytest.mark.parametrize(("content", "passphrase"), [("x y\n", "x y"), ("x\r\n", "x"), ("x\n\n", "x"), (" x", " x")])
def test_a_passphrase_file_ends_with_or_without_a_line_end(tmp_path, content, passphrase):
    (tmp_path / "file").write_text(content, newline="")
    assert passphrase_in(tmp_path / "file", "") == passphrase


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_passphrase_file_that_cannot_be_read_says_what_to_do(tmp_path, content):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(KeyStoreError, match=r"cannot be read.*Correct the option"):
        passphrase_in(tmp_path / "file", "Correct the option")
