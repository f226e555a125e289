"""Attacks by an enrolled device, with its own valid key, on the others and on the server."""

import logging
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree, PullObjectRequest, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_object_tree

from fl_client.home import Identity
from fl_client.transport import connect
from shared_models.errors import EnrolmentError
from shared_models.wire import WIRE_HEADER, WIRE_VERSION


def answer(task, **fields):
    return Message(content=RecordDict({"update": ConfigRecord(fields)}), reply_to=task)


def announcement(reply, node):
    """The request that says that `reply` will come, sent as `node`."""
    return PushMessagesRequest(
        node=Node(node_id=node),
        messages_list=[message_to_proto(remove_content_from_message(reply))],
        message_object_trees=[get_object_tree(reply)],
    )


def calls_naming(node, key):
    """Every call of the protocol, about the node with this id and key."""
    named = Node(node_id=node)
    return {
        "activate-node": ActivateNodeRequest(public_key=key, heartbeat_interval=30),
        "deactivate-node": DeactivateNodeRequest(node_id=node),
        "send-node-heartbeat": SendNodeHeartbeatRequest(node=named, heartbeat_interval=30),
        "pull-messages": PullMessagesRequest(node=named),
        "push-messages": PushMessagesRequest(node=named),
        "pull-object": PullObjectRequest(node=named, run_id=1, object_id="0" * 64),
        "push-object": PushObjectRequest(node=named, run_id=1, object_id="0" * 64),
        "confirm-message-received": ConfirmMessageReceivedRequest(node=named, run_id=1, message_object_id="0" * 64),
    }


def test_no_call_may_name_another_device(fleet, attacker, device):
    with device() as (victim, _):
        key = next(d.key for d in fleet.transport._authentication._devices.values() if d.node_id == victim)
        for call, request in calls_naming(victim, key).items():
            assert (call, attacker.post(call, request.SerializeToString())) == (call, 403)
        assert victim in fleet.grid.get_node_ids()


def test_a_reply_in_another_device_s_name_is_refused_counted_and_logged(fleet, attacker, device, caplog):
    """The sender that a message names is not believed: Flower would have taken it."""
    with device() as (victim, connection):
        task_id = fleet.send(victim)
        task = connection.pull()
        before = fleet.refusals["spoofed"]
        forged = announcement(answer(task, forged=1), attacker.node)
        assert forged.messages_list[0].metadata.src_node_id == victim
        with caplog.at_level(logging.WARNING, "fl_server"):
            assert attacker.post("push-messages", forged.SerializeToString()) == 403
        assert fleet.refusals["spoofed"] == before + 1
        assert "device 0a1b2c3d: a request was refused: spoofed" in caplog.messages
        assert fleet.replies(task_id) == {}
        connection.push(answer(task, honest=1))
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"honest": 1}


def test_a_device_cannot_send_a_task_to_another(fleet, attacker, device):
    """Flower takes a message that answers nothing for a task of the server's, whoever pushes it."""
    with device() as (victim, connection):
        fleet.send(victim)
        task = connection.pull()
        for sender, statuses in ((1, {403}), (attacker.node, {400})):
            order = announcement(answer(task, order=1), attacker.node)
            head = order.messages_list[0].metadata
            head.src_node_id, head.dst_node_id, head.reply_to_message_id = sender, victim, ""
            assert attacker.post("push-messages", order.SerializeToString()) in statuses
        assert connection.pull() is None


def test_a_reply_of_too_many_parts_is_refused(fleet, attacker, device):
    with device() as (node, connection):
        fleet.send(node)
        request = announcement(answer(connection.pull(), y=1), attacker.node)
        request.messages_list[0].metadata.src_node_id = attacker.node
        request.message_object_trees[0].children.extend(ObjectTree(object_id=f"{i:064x}") for i in range(2000))
        assert attacker.post("push-messages", request.SerializeToString()) == 400


def test_a_reply_with_nothing_in_it_is_refused(fleet, attacker, device):
    """Flower's own handler fails at it."""
    with device() as (node, connection):
        fleet.send(node)
        request = announcement(answer(connection.pull(), y=1), attacker.node)
        request.messages_list[0].metadata.src_node_id = attacker.node
        request.messages_list[0].ClearField("content")
        assert attacker.post("push-messages", request.SerializeToString()) == 400


def test_the_same_signed_headers_are_good_for_one_request(attacker, signed_headers, web):
    """The signature covers neither call nor body: who repeated it could put any body behind it."""
    headers = signed_headers(attacker.identity)
    pull = PullMessagesRequest(node=Node(node_id=attacker.node)).SerializeToString()
    beat = SendNodeHeartbeatRequest(node=Node(node_id=attacker.node), heartbeat_interval=30).SerializeToString()
    assert web.post("/v1/fleet/pull-messages", content=pull, headers=headers).status_code == 200
    for call, body in (("pull-messages", pull), ("send-node-heartbeat", beat)):
        assert web.post(f"/v1/fleet/{call}", content=body, headers=headers).status_code == 409


@pytest.mark.parametrize("seconds", [-400, 60])
def test_headers_signed_at_another_time_are_refused(attacker, signed_headers, web, seconds):
    headers = signed_headers(attacker.identity, datetime.now(UTC) + timedelta(seconds=seconds))
    assert web.post("/v1/fleet/pull-messages", headers=headers).status_code == 401


def test_headers_from_before_this_server_s_start_are_refused(fleet, attacker, signed_headers, web):
    """What was used before a restart is not remembered, so none of it is taken."""
    before = fleet.transport._authentication._began - timedelta(seconds=1)
    headers = signed_headers(attacker.identity, before)
    assert web.post("/v1/fleet/pull-messages", headers=headers).status_code in (409, 401)


def test_a_revoked_key_stops_with_its_next_request(fleet):
    identity = Identity.generate()
    node = fleet.admit(identity)
    with connect(fleet.address, fleet.ca_pem, identity.node) as connection:
        assert connection.pull() is None
        assert node in fleet.grid.get_node_ids()
        key = identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        fleet.transport.revoke([key])
        with pytest.raises(EnrolmentError, match="does not know this device"):
            connection.pull()
        assert node not in fleet.grid.get_node_ids()


def test_a_flood_by_one_device_does_not_touch_another(fleet, attacker, device, monkeypatch):
    listener = fleet.transport._fleet
    monkeypatch.setattr(listener._devices, "_slack", 0.0)
    monkeypatch.setattr(listener._devices, "_rate", 0.01)
    pull = PullMessagesRequest(node=Node(node_id=attacker.node)).SerializeToString()
    assert [attacker.post("pull-messages", pull) for _ in range(4)] == [200, 429, 429, 429]
    monkeypatch.setattr(listener._devices, "_rate", 1000.0)
    with device() as (_, connection):
        assert connection.pull() is None


def test_a_late_and_a_second_reply_are_counted_and_logged(fleet, device, caplog):
    """Flower answers as if it had taken them."""
    with device() as (node, connection), caplog.at_level(logging.WARNING, "fl_server"):
        task_id, lost_id = fleet.send(node), fleet.send(node)
        tasks = {task.metadata.message_id: task for task in (connection.pull(), connection.pull())}
        connection.push(answer(tasks[task_id], first=1))
        connection.push(answer(tasks[task_id], second=1))
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"first": 1}
        fleet.transport._state.delete_messages({lost_id})
        connection.push(answer(tasks[lost_id], late=1))
    refusals = fleet.refusals
    assert refusals.keys() >= {"second_reply", "too_late"}
    for reason in ("second_reply", "too_late"):
        assert f"device 0a1b2c3d: a reply was not taken: {reason}" in caplog.messages


@pytest.mark.parametrize("version", ["", "0", str(WIRE_VERSION - 1), str(WIRE_VERSION + 1), f"0{WIRE_VERSION}", "x"])
def test_another_wire_format_is_told_ours(attacker, signed_headers, web, version):
    headers = signed_headers(attacker.identity) | {WIRE_HEADER: version}
    response = web.post("/v1/fleet/pull-messages", headers=headers)
    assert (response.status_code, response.headers[WIRE_HEADER]) == (426, str(WIRE_VERSION))


def test_nothing_that_a_device_writes_comes_into_the_log(fleet, attacker, device, caplog):
    canary = secrets.token_hex(16)
    with device() as (node, connection), caplog.at_level(logging.DEBUG):
        fleet.send(node)
        request = announcement(answer(connection.pull(), y=1), attacker.node)
        head = request.messages_list[0].metadata
        head.src_node_id, head.message_type, head.group_id = attacker.node, canary, canary
        attacker.post("push-messages", request.SerializeToString())
        attacker.post("pull-object", canary.encode())
        attacker.post(canary)
    # pytest listens to uvicorn.access too, which the server has switched off
    names = ("fl_server", "flwr", "uvicorn.error")
    servers = [record for record in caplog.records if record.name.startswith(names)]
    assert servers
    for record in servers:
        assert canary not in record.getMessage()
        assert record.exc_info is None
