"""Who is let in and asked in a round, as devices come and go."""

from fl_server.enrolment.registry import Registry
from fl_server.roster import Roster


class Door:
    """Stands for the transport: remembers whom it lets in."""

    def __init__(self):
        self.open = {}

    def admit(self, devices):
        admitted = {1000 + len(self.open) + i: key for i, key in enumerate(devices)}
        self.open |= admitted
        return admitted

    def revoke(self, node_keys):
        gone = set(node_keys)
        self.open = {node: key for node, key in self.open.items() if key not in gone}


def test_who_leaves_is_neither_let_in_nor_asked_any_more(folder):
    registry, door = Registry(folder.enrolment), Door()
    devices = [registry.enrol(registry.invite(60)[0], f"n{i}".encode(), bytes([i]) * 32) for i in range(3)]
    roster = Roster(door)
    roster.admit(devices)
    for _ in range(2):
        roster.revoke([devices[1]])
    assert [device.pseudonym for device in roster.devices().values()] == [devices[0].pseudonym, devices[2].pseudonym]
    assert set(door.open.values()) == {b"n0", b"n2"}
