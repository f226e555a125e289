"""The store under crashes: a snapshot of the disk and the vault at each step is what a crash there leaves."""

import os
import shutil
import sqlite3
import stat
from collections import deque
from datetime import UTC, datetime

import numpy as np
import pytest

from fl_client import store as store_module
from fl_client import store_index
from fl_client.passphrase import PassphraseVault
from fl_client.store import Quota, Store, StoreFullError
from fl_client.store_folder import count_stored, erase_store
from fl_client.store_index import StoreIndex, UnusableIndexError
from fl_client.stored_sequence import Damaged
from shared_models.errors import DataError, KeyStoreError, StorageError
from shared_models.sealing import new_key

LABEL, SOURCE, TIME = "frustration:3", "one-tap probe", datetime(2031, 5, 17, 9, 30, tzinfo=UTC)


class MemoryVault:
    def __init__(self, keys=None):
        self.keys = dict(keys or {})
        self.watch = lambda: None

    def create(self, name):
        self.watch()
        self.keys[name] = new_key()
        self.watch()
        return self.keys[name]

    def key(self, name):
        if name not in self.keys:
            raise KeyStoreError(f"no key '{name}'")
        return self.keys[name]

    def destroy(self, name):
        self.watch()
        self.keys.pop(name, None)
        self.watch()


def frames(seed):
    return np.random.default_rng(seed).integers(0, 256, (16, 1, 48, 48), dtype=np.uint8)


def add(store, seed):
    return store.add(frames(seed), 15, LABEL, SOURCE, TIME)


def seeds(store, candidates=range(10)):
    """Which of `frames(seed)` the store holds, in its order."""
    known = {frames(seed).tobytes(): seed for seed in candidates}
    return [known[sequence.frames.tobytes()] for sequence in store.load_all()]


pytestmark = pytest.mark.usefixtures("quick_disk")


@pytest.fixture
def vault():
    return MemoryVault()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def crashes(tmp_path, folder, vault, monkeypatch):
    """Runs an action on the store; returns (folder, vault) as a crash would leave them at each step."""

    def run(action):
        left = []

        def watch(*_):
            copy = tmp_path / f"crash-{len(left)}"
            shutil.copytree(folder, copy)
            left.append((copy, MemoryVault(vault.keys)))

        connect, replace = sqlite3.connect, os.replace

        def watched_connect(*args, **kwargs):
            connection = connect(*args, **kwargs)
            connection.set_trace_callback(watch)
            return connection

        def watched_replace(*args):
            watch()
            replace(*args)
            watch()

        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", watched_connect)
            patch.setattr(os, "replace", watched_replace)
            patch.setattr(vault, "watch", watch)
            with Store(folder, vault) as store:
                action(store)
            watch()
        return left

    return run


def test_what_goes_in_comes_out_after_a_restart(folder, vault):
    with Store(folder, vault) as store:
        ids = [add(store, seed) for seed in (1, 2)]
    with Store(folder, vault) as store:
        first, second = store.load_all()
        assert len(store) == 2
        assert store.size == sum(file.stat().st_size for file in (folder / "sessions").iterdir())
    assert [first.id, second.id] == ids
    assert (first.label_index, first.label, first.source, first.captured_at) == (15, LABEL, SOURCE, TIME)
    assert first.frames.dtype == np.uint8
    np.testing.assert_array_equal(first.frames, frames(1))
    np.testing.assert_array_equal(second.frames, frames(2))


@pytest.mark.parametrize("bad", [frames(1)[0], frames(1).astype(np.float32), frames(1).repeat(3, axis=1)])
def test_only_sequences_are_taken(folder, vault, bad):
    with Store(folder, vault) as store, pytest.raises(DataError, match=r"\(T, 1, H, W\)"):
        store.add(bad, 0, LABEL, SOURCE, TIME)


def test_no_plaintext_reaches_the_disk_at_any_step(crashes):
    pixels = frames(1).tobytes()
    secrets = [LABEL, SOURCE, "frustration", "probe", TIME.date().isoformat()]
    needles = [secret.encode() for secret in secrets] + [pixels[i : i + 12] for i in range(0, len(pixels), 997)]
    left = crashes(lambda store: add(store, 1))
    contents = [file.read_bytes() for copy, _ in left for file in copy.rglob("*") if file.is_file()]
    assert any(len(content) > len(pixels) for content in contents)
    for needle in needles:
        assert not any(needle in content for content in contents)


def test_everything_is_private(folder, vault):
    with Store(folder, vault) as store:
        add(store, 1)
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_crash_while_adding_loses_at_most_that_sequence(folder, vault, crashes):
    with Store(folder, vault) as store:
        add(store, 1)
        add(store, 2)
    outcomes = []
    for copy, keys in crashes(lambda store: add(store, 3)):
        with Store(copy, keys) as store:
            outcomes.append(seeds(store))
            assert len(store) == len(os.listdir(copy / "sessions")) == len(outcomes[-1])
    assert outcomes == sorted(outcomes)
    assert (outcomes[0], outcomes[-1]) == ([1, 2], [1, 2, 3])


def test_a_crash_while_opening_for_the_first_time_does_no_harm(crashes):
    for copy, keys in crashes(lambda store: None):
        with Store(copy, keys) as store:
            add(store, 1)
        with Store(copy, keys) as store:
            assert seeds(store) == [1]


@pytest.mark.parametrize(
    ("delete", "kept"),
    [(lambda store: store.delete([next(store.load_all()).id]), [2, 3]), (Store.delete_all, [])],
)
def test_a_crash_while_deleting_keeps_the_others_and_ends_with_one_key(folder, vault, crashes, delete, kept):
    with Store(folder, vault) as store:
        for seed in (1, 2, 3):
            add(store, seed)
    outcomes = []
    for copy, keys in crashes(delete):
        with Store(copy, keys) as store:
            outcomes.append(seeds(store))
            assert len(os.listdir(copy / "sessions")) == len(outcomes[-1])
            add(store, 4)
            assert seeds(store) == [*outcomes[-1], 4]
            assert len(keys.keys) == 1
    assert [list(group) for group in dict.fromkeys(map(tuple, outcomes))] == [[1, 2, 3], kept]
    assert len(vault.keys) == 1 if kept else not vault.keys


@pytest.mark.parametrize("everything", [True, False])
def test_copies_of_what_was_deleted_cannot_be_opened(tmp_path, folder, vault, everything):
    with Store(folder, vault) as store:
        doomed = add(store, 1)
        add(store, 2)
        shutil.copytree(folder, tmp_path / "copy")
        if everything:
            store.delete_all()
        else:
            store.delete([doomed])
        assert seeds(store) == ([] if everything else [2])
        assert len(os.listdir(folder / "sessions")) == len(store)
    with pytest.raises(KeyStoreError):
        Store(tmp_path / "copy", vault)


def test_deleted_rows_are_overwritten(folder, vault):
    with Store(folder, vault) as store:
        ids = [add(store, seed) for seed in (1, 2)]
        store.delete(ids[:1])
    content = (folder / "index.sqlite").read_bytes()
    assert ids[0].encode() not in content
    assert ids[1].encode() in content


def test_the_wrong_key_is_recognised_on_opening(folder, vault):
    with Store(folder, vault) as store:
        add(store, 1)
    with pytest.raises(KeyStoreError, match="not the one it was sealed with"):
        Store(folder, MemoryVault({name: new_key() for name in vault.keys}))
    with pytest.raises(KeyStoreError):
        Store(folder, MemoryVault())
    with Store(folder, vault) as store:
        assert seeds(store) == [1]


def test_a_forgotten_passphrase_still_allows_to_erase(tmp_path, folder):
    path = tmp_path / "keys.json"
    with Store(folder, PassphraseVault.make(path, lambda prompt: "right")) as store:
        add(store, 1)
    with pytest.raises(KeyStoreError, match="The passphrase is wrong"):
        Store(folder, PassphraseVault(path, lambda: "wrong"))
    shutil.copytree(folder, tmp_path / "copy")
    erase_store(folder, PassphraseVault(path, lambda: pytest.fail("the passphrase was asked for")))
    assert os.listdir(folder / "sessions") == []
    right = PassphraseVault(path, lambda: "right")
    with pytest.raises(KeyStoreError):
        Store(tmp_path / "copy", right)
    with Store(folder, right) as store:
        assert len(store) == 0


def damage(store, path, name):
    """Harms the file of the older of two sequences."""
    content = path.read_bytes()
    match name:
        case "cut":
            path.write_bytes(content[:20])
        case "emptied":
            path.write_bytes(b"")
        case "flipped":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "exchanged":
            [other] = [file for file in path.parent.iterdir() if file != path]
            path.write_bytes(other.read_bytes())
        case "newer":
            path.write_bytes(content.replace(b"ATTUNE-SEQ\x01", b"ATTUNE-SEQ\x02"))
        case "missing":
            path.unlink()
        case "its row":
            with store._index.transaction():
                store._index.rewrap(path.name, bytes(60))


DAMAGES = {
    "cut": "its file was cut, changed or exchanged",
    "emptied": "its file was cut, changed or exchanged",
    "flipped": "its file was cut, changed or exchanged",
    "exchanged": "its file was cut, changed or exchanged",
    "newer": "its file is of a version that this program does not know",
    "missing": "its file is missing",
    "its row": "its key in the index was changed",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_sequence_is_named_left_out_and_can_be_deleted(folder, vault, name, caplog):
    with Store(folder, vault) as store:
        bad, _ = add(store, 1), add(store, 2)
        damage(store, folder / "sessions" / bad, name)
        assert seeds(store) == [2]
        assert seeds(store) == [2]
        [told] = [record.getMessage() for record in caplog.records]
        assert told == f"the stored sequence {bad} is left out: {DAMAGES[name]}"
    with Store(folder, vault) as store:
        marked, good = store.each()
        assert marked == Damaged(bad, DAMAGES[name])
        store.delete([add(store, 3)])
        assert next(store.each()) == marked, "it is not forgotten before its owner says so"
        store.delete([bad])
        assert (seeds(store), len(store), os.listdir(folder / "sessions")) == ([2], 1, [good.id])


def test_what_another_process_deletes_meanwhile_is_not_called_damaged(folder, vault):
    with Store(folder, vault) as store, Store(folder, vault) as other:
        first, second, third = (add(store, seed) for seed in (1, 2, 3))
        found = store.each()
        assert next(found).id == first
        other.delete([second])
        assert [one.id for one in found] == [third]


def break_index(path, name):
    match name:
        case "no database":
            path.write_bytes(b"not a database" * 100)
        case "cut":
            path.write_bytes(path.read_bytes()[:5000])
        case "emptied":
            path.write_bytes(b"")
        case "missing":
            path.unlink()
        case "a page":
            content = path.read_bytes()
            path.write_bytes(content[:4096] + bytes(4096) + content[8192:])
        case "newer":
            with sqlite3.connect(path) as database:
                database.execute(f"PRAGMA user_version = {store_index.VERSION + 1}")
            database.close()
        case "of no version":
            with sqlite3.connect(path) as database:
                database.execute("PRAGMA user_version = 0")
            database.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no database", "is damaged: file is not a database"),
        ("cut", "is damaged"),
        ("emptied", "is damaged: it is empty"),
        ("missing", "is damaged: it is empty"),
        ("a page", "is damaged"),
        ("newer", "written by a newer version of Attune.*Update Attune"),
        ("of no version", "is damaged: it is empty or of no known version"),
    ],
)
def test_an_index_that_cannot_be_used_is_named_and_harms_nothing_until_all_is_deleted(
    tmp_path, folder, vault, name, says
):
    with Store(folder, vault) as store:
        add(store, 1)
    sessions, keys = os.listdir(folder / "sessions"), dict(vault.keys)
    shutil.copytree(folder, tmp_path / "copy")
    break_index(folder / "index.sqlite", name)
    for use in (lambda: Store(folder, vault), lambda: count_stored(folder)):
        with pytest.raises(UnusableIndexError, match=says) as caught:
            use()
        assert "fl-client data delete --all" in str(caught.value)
        assert caught.value.exit_code == 20
    assert (os.listdir(folder / "sessions"), vault.keys) == (sessions, keys)

    erase_store(folder, vault)
    assert (os.listdir(folder / "sessions"), vault.keys) == ([], {})
    with pytest.raises(KeyStoreError):
        Store(tmp_path / "copy", vault)
    with Store(folder, vault) as store:
        add(store, 2)
        assert seeds(store) == [2]


def test_a_key_that_a_crashed_deletion_left_behind_goes_with_the_next_deletion_of_anyone(folder, vault, monkeypatch):
    """Also of a program that had the store open all the while, and so never tidied up after the crash."""

    def crash(*_):
        raise KeyboardInterrupt

    with Store(folder, vault) as killed, Store(folder, vault) as daemon:
        ids = [add(daemon, seed) for seed in (1, 2, 3)]
        former = set(vault.keys.values())
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "tidy_up", crash)
            with pytest.raises(KeyboardInterrupt):
                killed.delete(ids[:1])
        assert former < set(vault.keys.values())
        daemon.delete(ids[1:2])
        assert seeds(daemon) == [3]
        assert len(vault.keys) == 1
        assert not former & set(vault.keys.values())


def test_what_somebody_else_put_there_is_removed_or_does_no_harm(folder, vault):
    with Store(folder, vault) as store:
        add(store, 1)
    (folder / "sessions" / "a folder").mkdir()
    (folder / "sessions" / "a file").write_bytes(b"")
    with Store(folder, vault) as store:
        assert seeds(store) == [1]
    assert not (folder / "sessions" / "a file").exists()


def test_the_quota_is_said_and_nothing_is_dropped_for_it(folder, vault):
    with Store(folder, vault) as store:
        size = [add(store, 1), store.size][1]
    for quota in (Quota(2, 10 * size), Quota(10, 3 * size - 1)):
        with Store(folder, vault, quota) as store:
            second = add(store, 2)
            with pytest.raises(StoreFullError, match=r"holds 2 sequences.*Nothing was deleted to make room") as caught:
                add(store, 3)
            assert caught.value.exit_code == 20
            assert (seeds(store), len(os.listdir(folder / "sessions"))) == ([1, 2], 2)
            store.delete([second])


def test_a_full_disk_loses_nothing(folder, vault, monkeypatch):
    with Store(folder, vault) as store:
        add(store, 1)

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StorageError, match="the disk is full"):
                add(store, 2)
        assert seeds(store) == [1]
        assert len(os.listdir(folder / "sessions")) == 1
        add(store, 3)
        assert seeds(store) == [1, 3]


def test_a_full_index_loses_nothing(folder, vault):
    with Store(folder, vault) as store:
        pages = store._index._db.execute("PRAGMA page_count").fetchone()[0]
        store._index._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="the disk is full"):
            deque((add(store, 1) for _ in range(100)), maxlen=0)
        count = len(store)
        assert count > 0
        with pytest.raises(StorageError, match="the disk is full"):
            add(store, 2)
        assert len(os.listdir(folder / "sessions")) == count
    with Store(folder, vault) as store:
        assert seeds(store) == [1] * count
        assert len(os.listdir(folder / "sessions")) == count


def test_another_process_s_deletion_does_not_lose_what_comes_after(folder, vault):
    with Store(folder, vault) as daemon, Store(folder, vault) as command:
        add(daemon, 1)
        command.delete_all()
        add(daemon, 2)
        command.delete([add(daemon, 3)])
        add(daemon, 4)
        assert seeds(daemon) == seeds(command) == [2, 4]
    with Store(folder, vault) as store:
        assert seeds(store) == [2, 4]


def test_a_deletion_that_failed_does_not_mix_up_keys_with_another_process_s(folder, vault, monkeypatch):
    with Store(folder, vault) as daemon, Store(folder, vault) as command:
        ids = [add(daemon, seed) for seed in (1, 2, 3)]
        with monkeypatch.context() as patch:
            patch.setattr(StoreIndex, "rewrap", lambda *_: pytest.fail("as a full disk would"))
            with pytest.raises(pytest.fail.Exception):
                daemon.delete(ids[:1])
        command.delete(ids[1:2])
        add(daemon, 4)
        assert seeds(daemon) == seeds(command) == [1, 3, 4]


def test_no_other_process_can_take_a_new_file_for_an_orphan(folder, vault, monkeypatch):
    replace, refused = os.replace, []

    def replace_and_open(*args):
        replace(*args)
        with pytest.raises(StorageError, match="locked") as caught:
            Store(folder, vault)
        refused.append(caught.value)

    with Store(folder, vault) as daemon:
        with monkeypatch.context() as patch:
            patch.setattr(store_index, "_SECONDS_TO_WAIT", 0)
            patch.setattr(os, "replace", replace_and_open)
            add(daemon, 1)
        assert refused
        assert seeds(daemon) == [1]


def test_counting_needs_no_key_and_makes_no_store(folder, vault):
    assert count_stored(folder) == 0
    assert not folder.exists()
    with Store(folder, vault) as store:
        add(store, 1)
        assert count_stored(folder) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path, vault):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file"):
        Store(tmp_path / "file" / "store", vault)
