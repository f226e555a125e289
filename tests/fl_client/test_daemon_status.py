import errno
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fl_client.daemon_status import DaemonStatus, read_status, write_status
from fl_client.facts import device_facts
from fl_client.supervisor import WorkerState
from shared_models.errors import StorageError

PAGE = Path(__file__).parents[2] / "docs" / "client-status.md"
STATUS = DaemonStatus(
    since=datetime(2026, 11, 3, 9, 17, tzinfo=UTC),
    node="waits: on battery",
    capture="capturing",
    clock="This computer's clock is 90 seconds behind the server's",
    unknown=["when it was last used"],
    workers={"capture": WorkerState(state="waits", why="Camera 0 stopped.", again=2)},
    frames=7,
    refused={"no_face": 3},
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "status.json"
    for _ in range(2):
        write_status(path, STATUS)
        assert read_status(path) == STATUS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b'{"node": "connected"}', b'{"version": 2}', b"\xff"])
def test_what_cannot_be_read_says_nothing(tmp_path, content):
    path = tmp_path / "status.json"
    assert read_status(path) is None
    path.write_bytes(content)
    assert read_status(path) is None


def test_on_a_full_disk_the_old_one_stays(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "status.json"
    write_status(path, STATUS)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="the disk is full"):
        write_status(path, STATUS.model_copy(update={"node": "connected"}))
    assert read_status(path) == STATUS


def documented(chapter):
    """The fields in the tables of a chapter of the page."""
    text = PAGE.read_text(encoding="utf-8")
    [part] = [part for part in text.split("\n## ") if part.startswith(chapter)]
    rows = [line.split(" | ")[0] for line in part.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_every_field_of_the_file_is_documented():
    assert documented("`status.json`") == set(DaemonStatus.model_fields)
    assert documented("A worker") == set(WorkerState.model_fields)


def test_every_field_of_the_command_is_documented(laptop):
    laptop.enrolment.save(laptop.home)
    assert documented("`fl-client status --json`") == set(device_facts(laptop.home))


def test_a_program_that_was_killed_does_nothing_whatever_it_said_last(laptop):
    laptop.enrolment.save(laptop.home)
    write_status(laptop.home.status, STATUS)
    facts = device_facts(laptop.home)
    assert (facts["running"], facts["node"], facts["capture"], facts["workers"]) == (False, "stopped", "ended", {})
    assert (facts["clock"], facts["unknown"]) == ("", [])
    assert facts["frames"] == 7
