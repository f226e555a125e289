import errno
import os
import stat

import pytest

from shared_models.errors import StorageError
from shared_models.files import atomic_write


def test_only_the_owner_can_read_what_was_written(tmp_path):
    path = tmp_path / "secret"
    atomic_write(path, b"content")
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_other_modes_can_be_asked_for(tmp_path):
    atomic_write(tmp_path / "public", b"", mode=0o640)
    assert stat.S_IMODE((tmp_path / "public").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_content_and_no_rest(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    atomic_write(path, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(StorageError, match="the disk is full"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_content_is_on_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (steps.append(name), real(*args)))
    atomic_write(tmp_path / "file", b"content")
    assert steps == ["fsync", "replace", "fsync"]  # the last is the folder's


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StorageError, match="absent"):
        atomic_write(tmp_path / "absent" / "file", b"")
