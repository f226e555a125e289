import sqlite3
import warnings
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_client.home import Identity
from fl_server.folder import FederationFolder
from fl_server.setup import create_federation
from fl_server.transport import Transport, database
from fl_server.transport.database import Mailbox, prepare, purge
from shared_models.errors import StorageError


def open_transport(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
        return Transport(folder, "127.0.0.1", 0, 1000)


def new_key():
    public = Identity.generate().node.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def flower_s_file(tmp_path_factory):
    """The content of Flower's file with one node."""
    root = tmp_path_factory.mktemp("flower") / "study"
    create_federation(root, {})
    transport = open_transport(FederationFolder(root))
    transport.admit({new_key(): "0a1b2c3d"})
    transport.close()
    return FederationFolder(root).transport.read_bytes()


@pytest.fixture
def path(tmp_path, flower_s_file):
    path = tmp_path / "transport.db"
    path.write_bytes(flower_s_file)
    return path


def count(path, table):
    with closing(sqlite3.connect(path)) as file:
        return file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def leave_behind(path, number):
    """What a dead run leaves: objects, and rows that name it."""
    with closing(sqlite3.connect(path)) as file, file:
        row = (f"{number:064x}", bytes(200_000))
        file.execute("INSERT INTO objects (object_id, content, is_available, ref_count) VALUES (?, ?, 1, 0)", row)
        file.execute("INSERT INTO run_objects (run_id, object_id) VALUES (?, ?)", (number, row[0]))
        file.execute("INSERT INTO nonce_store (namespace, nonce, expires_at) VALUES ('x', ?, 0)", row[:1])
        file.execute("INSERT INTO message_ins (message_id, dst_node_id, delivered_at) VALUES (?, -1, '')", row[:1])


def test_the_file_does_not_grow_over_fifty_restarts(path):
    prepare(path)
    size = path.stat().st_size
    for number in range(50):
        leave_behind(path, number)
        prepare(path)
        assert path.stat().st_size == size
    assert count(path, "objects") == count(path, "message_ins") == count(path, "nonce_store") == 0
    assert count(path, "node") == 1


def test_at_a_start_nobody_is_online_yet(path):
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE node SET status = 'online', online_until = 9e9")
    prepare(path)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT status, online_until FROM node").fetchall() == [("offline", 0)]


def test_a_purge_while_flower_has_the_file_open_leaves_the_nodes(folder):
    transport, path = open_transport(folder), folder.transport
    try:
        key = new_key()
        [node] = transport.admit({key: "0a1b2c3d"})
        leave_behind(path, 1)
        purge(path)
        assert count(path, "objects") == 0
        assert list(transport.admit({key: "0a1b2c3d"})) == [node]
    finally:
        transport.close()


@pytest.mark.parametrize("where", [0, 100, 4096, 20_000])
def test_a_damaged_file_is_kept_aside(path, where, caplog):
    damaged = bytearray(path.read_bytes())
    damaged[where : where + 8000] = b"\xff" * 8000
    path.write_bytes(damaged)
    prepare(path)
    [kept] = path.parent.iterdir()
    assert kept.name.startswith("transport.db.damaged-")
    assert kept.read_bytes() == damaged
    assert "transport.db is damaged" in caplog.text


def test_after_damage_the_devices_are_let_in_anew(folder):
    folder.transport.write_bytes(b"not a database at all" * 999)
    transport = open_transport(folder)
    try:
        assert len(transport.admit({new_key(): "0a1b2c3d"})) == 1
    finally:
        transport.close()


def test_a_file_that_another_program_holds_is_said_to_be_held(path, monkeypatch):
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another program holds it"):
            prepare(path)
    prepare(path)
    assert not list(path.parent.glob("*.damaged-*"))


def test_a_full_disk_is_not_taken_for_damage(path, monkeypatch):
    class Full(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_FULL

    def full(path):
        raise Full("database or disk is full")

    monkeypatch.setattr(database, "purge", full)
    with pytest.raises(StorageError, match="the disk is full"):
        prepare(path)
    assert path.exists()


def test_where_there_is_no_file_there_is_nothing_to_do(tmp_path):
    prepare(tmp_path / "transport.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("node", [1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_waiting_task_is_seen_until_it_is_delivered(path, node):
    signed = node - (1 << 64) if node >= 1 << 63 else node
    mailbox = Mailbox(path)
    with closing(mailbox), closing(sqlite3.connect(path, isolation_level=None)) as file:
        assert not mailbox.has_task(node)
        file.execute("INSERT INTO message_ins (message_id, dst_node_id, delivered_at) VALUES ('t', ?, '')", (signed,))
        assert mailbox.has_task(node)
        assert not mailbox.has_task(node - 1)
        file.execute("UPDATE message_ins SET delivered_at = 'now'")
        assert not mailbox.has_task(node)


def test_the_reply_that_was_taken_is_known_by_its_task(path):
    mailbox = Mailbox(path)
    with closing(mailbox), closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("INSERT INTO message_res (message_id, reply_to_message_id) VALUES ('r', 't')")
        assert (mailbox.reply_to("t"), mailbox.reply_to("r")) == ("r", None)
