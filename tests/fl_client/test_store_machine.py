"""The store beside a plain dictionary, through any run of additions, deletions, restarts and crashes.

A crash is a copy of the disk and of the key vault between two of their operations: what follows goes on with the copy.
"""

import os
import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import numpy as np
from cryptography.exceptions import InvalidTag
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fl_client.store import Store, _row_name
from fl_client.store_folder import erase_store
from fl_client.stored_sequence import StoredSequence, open_sequence
from shared_models.sealing import new_key, unseal

TIME = datetime(2031, 5, 17, tzinfo=UTC)
STORES = st.integers(0, 1)
CRASH = st.none() | st.integers(0, 40)


class Vault:
    def __init__(self, keys, step):
        self.keys, self._step = dict(keys), step

    def create(self, name):
        self._step()
        self.keys[name] = new_key()
        self._step()
        return self.keys[name]

    def key(self, name):
        return self.keys[name]

    def destroy(self, name):
        self._step()
        self.keys.pop(name, None)
        self._step()


class StoreMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.root, self.folders = Path(tempfile.mkdtemp()), 0
        self.copies, self.stored, self.deleted, self.added = [], {}, set(), 0
        self.crash_at, self.crashed = None, None
        self.vault = Vault({}, self.step)
        self.patches = [
            patch.object(os, "fsync", lambda descriptor: self.step()),
            patch.object(os, "replace", self.stepwise(os.replace)),
            patch.object(os, "unlink", self.stepwise(os.unlink)),
            patch.object(sqlite3, "connect", self.connect),
        ]
        for one in self.patches:
            one.start()
        self.folder = self.new_folder()
        self.stores = [Store(self.folder, self.vault) for _ in range(2)]

    def teardown(self):
        for store in self.stores:
            store.close()
        for one in self.patches:
            one.stop()
        shutil.rmtree(self.root)

    @rule(which=STORES, crash=CRASH)
    def add(self, which, crash):
        self.added += 1
        frames = np.frombuffer(self.added.to_bytes(4, "big"), np.uint8).reshape(1, 1, 2, 2)
        with self.crashing(crash, may_add=frames.tobytes()):
            sequence_id = self.stores[which].add(frames, 0, "neutral", "tap", TIME)
            self.stored[sequence_id] = frames.tobytes()

    @precondition(lambda self: self.stored)
    @rule(which=STORES, crash=CRASH, data=st.data())
    def delete_some(self, which, crash, data):
        doomed = data.draw(st.sets(st.sampled_from(list(self.stored)), min_size=1))
        with self.crashing(crash, doomed):
            self.stores[which].delete(doomed)
            self.forget(doomed)

    @rule(which=STORES, crash=CRASH)
    def delete_all(self, which, crash):
        with self.crashing(crash, set(self.stored)):
            self.stores[which].delete_all()
            self.forget(set(self.stored))

    @rule(crash=CRASH)
    def erase_without_the_key(self, crash):
        with self.crashing(crash, set(self.stored)):
            erase_store(self.folder, self.vault)
            self.forget(set(self.stored))

    @precondition(lambda self: self.stored)
    @rule(which=STORES, crash=CRASH, data=st.data())
    def shelve_features(self, which, crash, data):
        with self.crashing(crash):
            self.stores[which].shelf.put(data.draw(st.sampled_from(list(self.stored))), "v1", np.zeros(2))

    @rule(which=STORES, crash=CRASH)
    def reopen(self, which, crash):
        with self.crashing(crash):
            self.stores[which].close()
            self.stores[which] = Store(self.folder, self.vault)

    @precondition(lambda self: len(self.copies) < 3)
    @rule()
    def copy_the_files(self):
        self.copies.append(self.new_folder(self.folder))

    @invariant()
    def both_hold_what_the_model_holds(self):
        for store in self.stores:
            assert {one.id: one.frames.tobytes() for one in store.each()} == self.stored
        assert len(self.vault.keys) <= 1

    @invariant()
    def what_was_deleted_opens_with_no_copy_of_anything_but_the_old_keys(self):
        assert not self.deleted & self.found_by_a_thief()

    def found_by_a_thief(self):
        """Whatever opens with the vault as it is now, all files and indexes that there ever were a copy of."""
        opened = set()
        folders = [self.folder, *self.copies]
        for folder in folders:
            database = sqlite3.connect(folder / "index.sqlite")
            rows = database.execute("SELECT id, key_wrapped FROM sequences").fetchall()
            database.close()
            for sequence_id, wrapped in rows:
                for store_key in self.vault.keys.values():
                    try:
                        key = unseal(store_key, wrapped, _row_name(sequence_id))
                    except InvalidTag:
                        continue
                    for path in (other / "sessions" / sequence_id for other in folders):
                        if path.exists() and isinstance(
                            open_sequence(sequence_id, path.read_bytes(), key), StoredSequence
                        ):
                            opened.add(sequence_id)
        return opened

    @contextmanager
    def crashing(self, at, doomed=frozenset(), may_add=None):
        """Ends in the world in which the block was cut off at its step `at`, where it has so many."""
        before, deleted = dict(self.stored), set(self.deleted)
        self.crash_at, self.crashed = at, None
        yield
        self.crash_at = None
        if self.crashed is None:
            return
        for store in self.stores:
            store.close()
        self.folder, self.vault = self.crashed
        self.stores = [Store(self.folder, self.vault) for _ in range(2)]
        found = {one.id: one.frames.tobytes() for one in self.stores[0].each()}
        gone, new = before.keys() - found.keys(), found.keys() - before.keys()
        assert gone in (set(), doomed), "a deletion is whole or not at all, and nothing else is lost"
        assert all(found[sequence_id] == may_add for sequence_id in new)
        self.stored = found
        self.deleted = deleted | gone

    def forget(self, ids):
        self.deleted |= ids
        self.stored = {one: frames for one, frames in self.stored.items() if one not in ids}

    def step(self, *_):
        if self.crash_at == 0 and self.crashed is None:
            self.crashed = self.new_folder(self.folder), Vault(self.vault.keys, self.step)
        elif self.crash_at is not None:
            self.crash_at -= 1

    def stepwise(self, operation):
        def stepped(*args, **options):
            self.step()
            operation(*args, **options)
            self.step()

        return stepped

    def new_folder(self, like=None):
        folder = self.root / str(self.folders)
        self.folders += 1
        if like is not None:
            with patch.object(self, "crash_at", None):
                shutil.copytree(like, folder)
        return folder

    def connect(self, *args, **options):
        machine = self

        class Connection(sqlite3.Connection):
            def execute(self, statement, *values):
                machine.step()
                return super().execute("PRAGMA synchronous = OFF" if "synchronous" in statement else statement, *values)

        return Connection(*args, **options)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
