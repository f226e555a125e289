import os

import numpy as np
import pytest

from fl_client import store_index
from fl_client.passphrase import PassphraseVault
from fl_client.store import Store
from shared_models.errors import StorageError

FEATURES = np.arange(12, dtype=np.float32).reshape(1, 3, 4)


@pytest.fixture
def vault(tmp_path):
    return PassphraseVault.make(tmp_path / "keys.json", lambda prompt: "several words")


@pytest.fixture
def store(tmp_path, vault):
    with Store(tmp_path / "store", vault) as store:
        yield store


@pytest.fixture
def kept(store, laptop):
    frames, since = laptop.store.sequences[0].frames, laptop.consent.current().since
    return [store.add(frames, 1, "happiness", "script", since) for _ in range(2)]


def files(tmp_path) -> set[str]:
    return {path.name for path in (tmp_path / "store" / "sessions").iterdir()}


def test_features_come_back_as_they_were_also_after_a_restart(store, kept, tmp_path, vault) -> None:
    store.shelf.put(kept[0], "v1", FEATURES)
    with Store(tmp_path / "store", vault) as again:
        np.testing.assert_array_equal(again.shelf.get(kept[0], "v1"), FEATURES)
        assert len(list(again.load_all())) == 2


def test_another_model_version_or_sequence_finds_none(store, kept, tmp_path) -> None:
    store.shelf.put(kept[0], "v1", FEATURES)
    assert store.shelf.get(kept[0], "v2") is None
    assert store.shelf.get(kept[1], "v1") is None
    sessions = tmp_path / "store" / "sessions"
    (sessions / f"{kept[1]}.features").write_bytes((sessions / f"{kept[0]}.features").read_bytes())
    assert store.shelf.get(kept[1], "v1") is None


def test_they_lie_sealed_on_the_disk(store, kept, tmp_path) -> None:
    store.shelf.put(kept[0], "v1", FEATURES)
    raw = (tmp_path / "store" / "sessions" / f"{kept[0]}.features").read_bytes()
    assert FEATURES.tobytes() not in raw


def test_they_are_deleted_with_their_sequence(store, kept, tmp_path) -> None:
    for name in kept:
        store.shelf.put(name, "v1", FEATURES)
    store.delete([kept[0]])
    assert files(tmp_path) == {kept[1], f"{kept[1]}.features"}
    assert store.shelf.get(kept[0], "v1") is None
    np.testing.assert_array_equal(store.shelf.get(kept[1], "v1"), FEATURES)
    store.shelf.put(kept[0], "v1", FEATURES)
    assert files(tmp_path) == {kept[1], f"{kept[1]}.features"}
    store.delete_all()
    assert files(tmp_path) == set()


def test_a_damaged_file_counts_as_none(store, kept, tmp_path) -> None:
    store.shelf.put(kept[0], "v1", FEATURES)
    path = tmp_path / "store" / "sessions" / f"{kept[0]}.features"
    path.write_bytes(path.read_bytes()[:-1])
    assert store.shelf.get(kept[0], "v1") is None


def test_nobody_takes_a_file_that_is_being_written_for_an_orphan(store, kept, tmp_path, vault, monkeypatch) -> None:
    replace, refused = os.replace, []

    def replace_and_open(*args) -> None:
        with pytest.raises(StorageError, match="locked"):
            Store(tmp_path / "store", vault)
        refused.append(args)
        replace(*args)

    with monkeypatch.context() as patch:
        patch.setattr(store_index, "_SECONDS_TO_WAIT", 0)
        patch.setattr(os, "replace", replace_and_open)
        store.shelf.put(kept[0], "v1", FEATURES)
    assert refused
    np.testing.assert_array_equal(store.shelf.get(kept[0], "v1"), FEATURES)
