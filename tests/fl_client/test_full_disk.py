"""The store on a disk that is really full: a file system of 900 KB of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from fl_client.passphrase import PassphraseVault
from fl_client.store import Store
from fl_client.store_folder import erase_store
from shared_models.errors import StorageError

disk = Path(sys.argv[1])
ballast = disk / "ballast"
rng = np.random.default_rng(0)

def refused(action):
    try:
        action()
    except StorageError as error:
        return str(error)
    return None

def add():
    store.add(rng.integers(0, 256, (16, 1, 48, 48), dtype=np.uint8), 0, "neutral", "tap", datetime.now(UTC))

def fill():
    with suppress(OSError), ballast.open("ab", 0) as file:
        while True:
            file.write(bytes(512))

def state():
    return [len(list(store.load_all())), len(store), len(os.listdir(disk / "store" / "sessions"))]

vault = PassphraseVault.make(disk / "keys.json", lambda prompt: "several words")
facts = {}
with Store(disk / "store", vault) as store:
    for _ in range(3):
        add()
    while (said := refused(add)) is None:
        pass
    facts["said"], facts["stored"] = said, state()
    fill()
    facts["again"], facts["still stored"] = refused(add), state()
    first = next(store.load_all()).id
    facts["deletion"], facts["nothing deleted"] = refused(lambda: store.delete([first])), state()
    ballast.unlink()
    store.delete([first])
    facts["one deleted"] = state()
    add()
    facts["goes on"] = state()
    fill()
    erase_store(disk / "store", vault)
    facts["erased"] = state()
print(json.dumps(facts))
"""


@pytest.fixture
def small_disk(tmp_path):
    """Runs a program with a small disk of its own as its argument; gives what it prints."""
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=900k none "$0"'
    if shutil.which("unshare") is None or subprocess.run([*alone, mount, disk], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system of their own")

    def run(program):
        command = [*alone, f'{mount} && exec "$@"', disk, sys.executable, "-c", program, disk]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


def test_a_full_disk_loses_nothing_says_so_and_goes_on_when_there_is_room_again(small_disk):
    facts = small_disk(PROGRAM)
    count = facts["stored"][0]
    assert count > 3
    full = "the disk is full. Free some space and try again; what was stored before is still there."
    for refusal in ("said", "again", "deletion"):
        assert facts[refusal].endswith(full)
    for same in ("stored", "still stored", "nothing deleted", "goes on"):
        assert facts[same] == [count] * 3
    assert facts["one deleted"] == [count - 1] * 3
    assert facts["erased"] == [0, 0, 0], "to delete everything is possible on a full disk too"
