import errno
import os
import stat
import subprocess
import sys

import pytest

from shared_models import files
from shared_models.errors import StorageError, UsageError
from shared_models.files import append_line, atomic_write, is_held, only_one


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


def test_lines_are_added_behind_what_is_there(tmp_path):
    path = tmp_path / "lines"
    append_line(path, b"one")
    append_line(path, b"two")
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("left", [b"one\ntw", b"one\n"])
def test_a_line_that_a_power_cut_left_without_its_end_is_gone_before_the_next(tmp_path, left):
    path = tmp_path / "lines"
    path.write_bytes(left)
    append_line(path, b"two")
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_line_is_on_disk_when_it_is_added_and_so_is_the_name_of_a_new_file(tmp_path, monkeypatch):
    path, synced, real = tmp_path / "lines", [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append((os.fstat(fd).st_ino, path.read_bytes())), real(fd)))
    append_line(path, b"one")
    append_line(path, b"two")
    file, folder = path.stat().st_ino, tmp_path.stat().st_ino
    assert synced == [(file, b"one\n"), (folder, b"one\n"), (file, b"one\ntwo\n")]


class FullDisk:
    """Stands for `open`: a file that takes `room` bytes of a write and then no more."""

    def __init__(self, room):
        self.room = room

    def __call__(self, *args, **how):
        self.opened = args, how
        return self

    def __enter__(self):
        args, how = self.opened
        self.file = open(*args, **how)
        return self

    def __exit__(self, *_):
        self.file.close()

    def fileno(self):
        return self.file.fileno()

    def write(self, data):
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data[: self.room])


@pytest.mark.parametrize("room", [0, 1, 5])
@pytest.mark.parametrize("before", [b"", b"one\n"])
def test_a_line_for_which_there_is_no_room_leaves_the_file_as_it_was(tmp_path, monkeypatch, room, before):
    path = tmp_path / "lines"
    path.write_bytes(before)
    with monkeypatch.context() as patch:
        patch.setattr(files, "open", FullDisk(room), raising=False)
        with pytest.raises(StorageError, match="the disk is full"):
            append_line(path, b"a line of many bytes")
    assert path.read_bytes() == before
    append_line(path, b"two")
    assert path.read_bytes() == before + b"two\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_line_that_cannot_be_flushed_is_taken_back(tmp_path, monkeypatch, number):
    path = tmp_path / "lines"
    append_line(path, b"one")

    def failing(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageError, match="cannot be written"):
        append_line(path, b"two")
    assert path.read_bytes() == b"one\n"


def test_only_one_process_holds_a_lock_and_a_killed_one_lets_go(tmp_path) -> None:
    lock = tmp_path / "running.lock"
    assert not is_held(lock)
    program = (
        "import sys; from pathlib import Path; from shared_models.files import only_one\n"
        "with only_one(Path(sys.argv[1]), 'it'): print('held', flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_held(lock)
        with pytest.raises(UsageError, match="A server runs already"), only_one(lock, "A server"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert not is_held(lock)
    with only_one(lock, "A server"):
        assert is_held(lock)
