"""A task on its whole way, over the real transport, while the student comes back in the middle of training."""

import itertools
import threading

import pytest

from fl_client import node as node_module
from fl_client import transport
from fl_client.app import client_app
from fl_client.conditions.condition import Condition
from fl_client.conditions.gate import Gate
from fl_client.node import NodeLoop
from fl_client.settings import NodeSettings
from shared_models.privacy.events import Intent, Released
from shared_models.privacy.ledger import read_ledger

BUSY = "you are using this computer"


class Student:
    """Uses the computer at some of the looks at it: the first three are before training, the last at 11 in it."""

    def __init__(self, *busy):
        self.looks, self.busy = itertools.count(1), busy

    def __call__(self):
        return BUSY if next(self.looks) in self.busy else ""


@pytest.fixture
def laptop(fleet, make_laptop, monkeypatch):
    monkeypatch.setattr(transport, "_LINGER_SECONDS", 0.0)
    monkeypatch.setattr(node_module, "_LOOK_SECONDS", 0.01)
    return make_laptop(fleet_address=fleet.address, ca_pem=fleet.ca_pem.decode())


def answered(fleet, laptop, student, task):
    """The node loop's reports from its start until `task` was answered, and the reply."""
    node, stop, reports, sent = fleet.admit(laptop.identity), threading.Event(), [], []
    replies = {}

    def report(state):
        reports.append(state)
        if state == "connected" and not sent:
            sent.append(fleet.send(node, task))
        if reports[-2:] == ["training", "connected"]:
            replies.update(fleet.replies(*sent))  # before the device is gone: the server drops what it left behind
            stop.set()

    gate = Gate([Condition("the student", student, str)], itertools.count().__next__)
    participant = laptop.participant(look_up=gate.look_up)
    loop = NodeLoop(
        laptop.enrolment,
        laptop.identity.node,
        participant.journal,
        client_app(participant),
        laptop.consent,
        gate,
        NodeSettings(poll_seconds=0.01),
        report,
    )
    worker = threading.Thread(target=loop.run, args=(stop,))
    worker.start()
    finished = stop.wait(60)
    stop.set()
    worker.join()
    assert finished, reports
    return reports, replies[sent[0]]


@pytest.mark.parametrize("busy", [(6, 7, 8), (11, 12)])
def test_the_round_still_gets_its_answer_and_the_device_pays_once(fleet, laptop, task_record, busy):
    reports, reply = answered(fleet, laptop, Student(*busy), task_record())
    assert reports.count("training") == 2
    assert f"waits: {BUSY}" in reports
    assert reply.has_content()
    entries = read_ledger(laptop.home.ledger, laptop.identity.ledger.public_key())
    assert [type(entry.body) for entry in entries] == [Intent, Released]
