"""The store under crashes: a snapshot of the disk and the vault at each step is what a crash there leaves."""

import os
import shutil
import sqlite3
import stat
from collections import deque
from datetime import UTC, datetime

import numpy as np
import pytest

from fl_client import store_index
from fl_client.passphrase import PassphraseVault
from fl_client.store import Store, count_stored, erase_store
from fl_client.store_index import StoreIndex
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
            generation = store._index.store_key().generation
            assert f"store-{generation}" in keys.keys
            assert f"store-{generation - 1}" not in keys.keys
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


@pytest.mark.parametrize("damage", ["cut", "flipped", "swapped", "another version"])
def test_a_damaged_file_is_named_and_can_be_deleted(folder, vault, damage):
    with Store(folder, vault) as store:
        bad, good = add(store, 1), add(store, 2)
        path = folder / "sessions" / bad
        content = path.read_bytes()
        changed = {
            "cut": content[:20],
            "flipped": content[:-1] + bytes([content[-1] ^ 1]),
            "swapped": (folder / "sessions" / good).read_bytes(),
            "another version": content.replace(b"ATTUNE-SEQ\x01", b"ATTUNE-SEQ\x02"),
        }
        path.write_bytes(changed[damage])
        with pytest.raises(StorageError, match=bad):
            list(store.load_all())
        store.delete([bad])
        assert seeds(store) == [2]


def test_a_damaged_row_is_named_and_can_be_deleted(folder, vault):
    with Store(folder, vault) as store:
        bad, _ = add(store, 1), add(store, 2)
        with store._index.transaction():
            store._index.rewrap(bad, bytes(60))
        with pytest.raises(StorageError, match=bad):
            list(store.load_all())
        store.delete([bad])
        assert seeds(store) == [2]


def test_a_damaged_index_is_named(folder, vault):
    Store(folder, vault).close()
    (folder / "index.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match=r"index\.sqlite"):
        Store(folder, vault)


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
