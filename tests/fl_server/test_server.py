"""`fl-server start` put together, without its ports: who is asked in a round, as devices come and go."""

import pytest

from fl_server.enrolment.registry import Registry
from fl_server.server import Server
from fl_server.settings import load_settings


class Door:
    """Stands for the transport: remembers whom it lets in."""

    def __init__(self):
        self.open = {}

    def admit(self, node_keys):
        admitted = {1000 + len(self.open) + i: key for i, key in enumerate(node_keys)}
        self.open |= admitted
        return admitted

    def revoke(self, node_keys):
        gone = set(node_keys)
        self.open = {node: key for node, key in self.open.items() if key not in gone}


@pytest.fixture
def server(folder, benchmark, monkeypatch):
    monkeypatch.setattr("fl_server.server.load_benchmark", lambda spec, scheme: benchmark.sequences)
    text = folder.settings.read_text()
    folder.settings.write_text(text.replace('initial = "starter"', 'initial = "random"'))
    return Server(folder, load_settings(folder.settings), print, print)


def test_who_leaves_is_neither_let_in_nor_asked_any_more(server, folder):
    registry, door = Registry(folder.enrolment), Door()
    devices = [registry.enrol(registry.invite(60)[0], f"n{i}".encode(), bytes([i]) * 32) for i in range(3)]
    server._admit(door, devices)
    server._revoke(door, [devices[1]])
    server._revoke(door, [devices[1]])
    assert [device.pseudonym for device in server._eligible().values()] == [devices[0].pseudonym, devices[2].pseudonym]
    assert set(door.open.values()) == {b"n0", b"n2"}
