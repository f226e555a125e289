import hashlib

import pytest
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_object_id
from flwr.superlink.federation import NoOpFederationManager

from fl_server.transport import link_state
from fl_server.transport.link_state import LinkState, ObjectFiles, node_id_of
from shared_models.errors import StorageError

RUN = 7
LARGE = b"NumpyArray 0 200000\x00" + bytes(200_000)
SMALL = b"NumpyArray 0 4\x00" + bytes(4)


@pytest.fixture
def objects(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "flwr.supercore.object_store.in_memory_object_store.validate_object_content", lambda content: None
    )
    return ObjectFiles(tmp_path / "transport")


def put(objects, content):
    name = get_object_id(content)
    assert objects.preregister(RUN, ObjectTree(object_id=name)) == [name]
    objects.put(name, content)
    return name


def files(objects):
    return [path.name for path in objects._folder.iterdir()]


def test_what_is_large_lies_on_the_disk_and_not_in_memory(objects):
    name = put(objects, LARGE)
    assert files(objects) == [name]
    assert objects.store[name].content == b""
    assert objects.get(name) == LARGE


def test_what_is_small_stays_in_memory(objects):
    name = put(objects, SMALL)
    assert files(objects) == []
    assert objects.get(name) == SMALL


def test_one_that_is_announced_and_not_there_yet_is_empty(objects):
    name = get_object_id(LARGE)
    objects.preregister(RUN, ObjectTree(object_id=name))
    assert objects.get(name) == b""
    assert objects.get("0" * 64) is None


def test_what_is_deleted_leaves_the_disk_whichever_way_it_goes(objects):
    objects.delete(put(objects, LARGE))
    assert files(objects) == []
    put(objects, LARGE)
    objects.delete_objects_in_run(RUN)
    assert files(objects) == []


def test_a_name_that_a_device_made_up_deletes_nothing(objects):
    (objects._folder.parent / "kept").write_bytes(b"x")
    for name in ("", ".", "../kept"):
        objects.delete(name)
    assert (objects._folder.parent / "kept").exists()


def test_on_a_full_disk_it_stays_in_memory(objects, monkeypatch, caplog):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    name = put(objects, LARGE)
    assert objects.get(name) == LARGE
    assert "stays in memory: No space left on device" in caplog.text


def test_a_start_finds_nothing_of_the_last_one(objects):
    put(objects, LARGE)
    assert files(ObjectFiles(objects._folder)) == []


def test_a_folder_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "transport").write_bytes(b"")
    with pytest.raises(StorageError):
        ObjectFiles(tmp_path / "transport")


@pytest.fixture
def state(objects):
    return LinkState(NoOpFederationManager(), objects)


def admit(state, key):
    return state.create_node("aid", "name", key, 0)


def test_a_node_s_id_follows_from_its_key(state, objects):
    ids = [admit(state, key) for key in (b"one", b"two")]
    assert ids == [node_id_of(b"one"), node_id_of(b"two")]
    assert [state.get_node_id_by_public_key(key) for key in (b"one", b"two")] == ids
    assert [node.node_id for node in state.get_node_info()] == ids
    assert state.owner_to_node_ids["aid"] == set(ids)
    assert admit(LinkState(NoOpFederationManager(), objects), b"two") == ids[1]


def test_a_key_with_the_id_of_another_is_not_let_in(state, monkeypatch):
    monkeypatch.setattr(link_state, "node_id_of", lambda key: 5)
    admit(state, b"one")
    with pytest.raises(ValueError, match="two keys"):
        admit(state, b"two")
    assert state.get_node_id_by_public_key(b"two") is None


def test_a_run_needs_no_heartbeat_and_ends_when_it_is_stopped(state):
    run_id = state.start_run()
    assert state.get_run_info(run_ids=[run_id])[0].status.status == "running"
    assert state.task_token_store == {}
    assert state.stop_run(run_id)
    assert state.get_run_info(run_ids=[run_id])[0].status.status == "finished"


def test_the_hash_is_of_the_key_alone():
    digest = hashlib.sha256(b"attune node " + b"key").digest()
    assert node_id_of(b"key") == int.from_bytes(digest[:8], "big")
