"""The server's adapter to Flower, running: what outsiders reach, and what a hostile device can do to the others."""

import contextlib
import hashlib
import secrets
import socket
import ssl
import stat
import warnings

import flwr
import httpx
import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE, ErrorCode
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree, PushObjectRequest
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_id, get_object_tree
from flwr.superlink.servicer.runtime import runtime_handlers

from fl_client import transport as client_transport
from fl_client.home import Identity
from fl_client.transport import connect
from fl_server.certificates import issue_server_certificate
from fl_server.folder import FederationFolder
from fl_server.listeners.authentication import KEY_HEADER, NEWEST, OLDEST, SIGNATURE_HEADER, TIME_HEADER
from fl_server.setup import create_federation
from fl_server.transport import Transport
from fl_server.transport.grid import _REPLIES_AT_A_TIME
from shared_models.errors import AddressError

CALL = "/v1/fleet/pull-messages"


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch):
    monkeypatch.setattr(client_transport, "_LINGER_SECONDS", 0.0)


@pytest.fixture
def device(fleet):
    """`with device() as (node, connection):` a device that was let in and is online."""

    @contextlib.contextmanager
    def device():
        identity = Identity.generate()
        node = fleet.admit(identity)
        with connect(fleet.address, fleet.ca_pem, identity.node) as connection:
            yield node, connection

    return device


def test_the_adapter_was_written_for_this_version_of_flower():
    assert flwr.__version__ == "1.41.0", (
        "Flower changed. fl_server/transport/ imports modules that Flower does not promise to keep:"
        " read each of its imports again, run the tests in this file, and then pin the new version here"
    )


def test_the_transport_s_state_is_for_its_owner_only(fleet):
    assert stat.S_IMODE(fleet.folder.transport.stat().st_mode) == 0o700


def test_a_device_that_was_let_in_twice_is_one_node(fleet):
    identity, other = Identity.generate(), Identity.generate()
    assert fleet.admit(identity) == fleet.admit(identity)
    assert fleet.admit(other) != fleet.admit(identity)


def test_a_port_that_is_taken_is_named(folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressError, match=f"127.0.0.1:{port} cannot be opened") as refused:
            Transport(folder, "127.0.0.1", port, 1000)
    assert (refused.value.exit_code, "server.fleet_port" in refused.value.fix) == (16, True)


def test_an_address_that_this_machine_does_not_have_is_named(folder):
    with pytest.raises(AddressError, match=r"192\.0\.2\.7:0 cannot be opened"):
        Transport(folder, "192.0.2.7", 0, 1000)


def test_a_restart_keeps_every_node_s_id_and_ends_the_run_before_it(tmp_path, start_fleet):
    create_federation(tmp_path / "study", {})
    folder, identity = FederationFolder(tmp_path / "study"), Identity.generate()
    with start_fleet(folder) as before:
        node = before.admit(identity)
        run = before.grid.run.run_id
    with start_fleet(folder) as after:
        assert after.admit(identity) == node
        assert after.grid.run.run_id != run
        with connect(after.address, after.ca_pem, identity.node) as connection:
            task_id = after.send(node)
            connection.push(Message(Error(1, "error"), reply_to=connection.pull()))
            assert task_id in after.replies(task_id)
    for port in (before.address, after.address, after.loopback_address):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", int(port.split(":")[1])))


class Hostile:
    """A device that speaks the protocol by hand."""

    def __init__(self, connection):
        self.client, self.node = connection._client, connection._node

    def announce(self, reply, tree):
        """Says that `reply` will come in the parts that `tree` names; gives the session to send them in."""
        head = message_to_proto(remove_content_from_message(reply) if reply.has_content() else reply)
        head.metadata.message_id = tree.object_id
        request = PushMessagesRequest(node=self.node, messages_list=[head], message_object_trees=[tree])
        return self.client.PushMessages(request).session_id

    def send(self, task, session, name, content):
        self.client.PushObject(
            PushObjectRequest(
                node=self.node,
                run_id=task.metadata.run_id,
                object_id=name,
                object_content=content,
                session_id=session,
            )
        )

    def push(self, task, root, *parts, inside=None):
        """A reply whose message is the bytes `root`, or the message `inside` where that is given."""
        contents = {hashlib.sha256(part).hexdigest(): part for part in (root, *parts)}
        tree = ObjectTree(object_id=next(iter(contents)))
        tree.children.extend(ObjectTree(object_id=name) for name in list(contents)[1:])
        if inside:
            tree = get_object_tree(inside)
            contents = {name: part.deflate() for name, part in get_all_nested_objects(inside).items()}
        session = self.announce(answer(task), tree)
        for name, content in contents.items():
            self.send(task, session, name, content)


def answer(task, **fields):
    return Message(content=RecordDict({"update": ConfigRecord(fields)}), reply_to=task)


@pytest.fixture
def beside_an_honest_device(fleet, device):
    """Runs `attack(hostile, its task)`; gives what came of its task and whether the honest reply still came."""

    def beside(attack):
        with device() as (node, connection), device() as (honest_node, honest):
            hostile_id, honest_id = fleet.send(node), fleet.send(honest_node)
            attack(Hostile(connection), connection.pull())
            first = fleet.replies(hostile_id, honest_id)
            honest.push(answer(honest.pull(), x=1))
            second = fleet.replies(*{hostile_id, honest_id} - first.keys())
            assert dict(second[honest_id].content["update"]) == {"x": 1}
            return (first | second).get(hostile_id)

    return beside


def test_a_reply_whose_parts_never_come_holds_nobody_up(beside_an_honest_device):
    """Flower's own Grid would wait up to two hours for them."""

    def announce_only(hostile, task):
        reply = answer(task, y=secrets.token_hex(4))
        hostile.announce(reply, get_object_tree(reply))

    assert beside_an_honest_device(announce_only) is None


def test_a_reply_that_is_arriving_is_not_forgotten_when_others_are_asked_for(fleet, device):
    """Such as tasks of the round before, whose answers are late."""
    with device() as (node, connection), device() as (late_node, _):
        task_id, late_id = fleet.send(node), fleet.send(late_node)
        slow, task = Hostile(connection), connection.pull()
        reply = answer(task, y=secrets.token_hex(4))
        session = slow.announce(reply, get_object_tree(reply))
        assert fleet.replies(task_id) == {}
        assert fleet.replies(late_id) == {}
        for name, part in get_all_nested_objects(reply).items():
            slow.send(task, session, name, part.deflate())
        assert fleet.replies(task_id)[task_id].content == reply.content


def test_more_answers_than_are_fetched_at_once_all_come_also_of_devices_that_go_on(fleet, device):
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(device()) for _ in range(_REPLIES_AT_A_TIME + 2)]
        tasks = {fleet.send(node) for node, _ in devices}
        for _, connection in devices:
            connection.push(answer(connection.pull(), x=1))
            connection.pull()
        first = fleet.replies(*tasks)
        second = fleet.replies(*tasks - first.keys())
    assert (len(first), len(second)) == (_REPLIES_AT_A_TIME, 2)
    assert not any(reply.has_error() for reply in (first | second).values())


def test_a_reply_counts_once_its_last_part_is_there(fleet, device):
    with device() as (node, connection):
        task_id = fleet.send(node)
        slow, task = Hostile(connection), connection.pull()
        reply = answer(task, y=secrets.token_hex(4))
        session = slow.announce(reply, get_object_tree(reply))
        for name, part in get_all_nested_objects(reply).items():
            assert fleet.replies(task_id) == {}
            slow.send(task, session, name, part.deflate())
        assert fleet.replies(task_id)[task_id].content == reply.content


def not_a_message(hostile, task):
    hostile.push(task, ConfigRecord({"z": secrets.token_hex(4)}).deflate())


def another_kind_of_content(hostile, task):
    reply, records = answer(task), ArrayRecord([np.ones(2)])
    own = get_object_id(reply.content.deflate()).encode()
    root = reply.deflate().replace(own, get_object_id(records.deflate()).encode())
    hostile.push(task, root, *(part.deflate() for part in get_all_nested_objects(records).values()))


def no_content(hostile, task):
    reply = answer(task)
    hostile.push(task, reply.deflate().replace(get_object_id(reply.content.deflate()).encode(), b""))


def no_protobuf(hostile, task):
    body = secrets.token_bytes(8) + b"\xff" * 8
    hostile.push(task, b"Message  16\x00" + body)


def an_answer_to_another_task(hostile, task):
    reply = answer(task, y=secrets.token_hex(4))
    reply.metadata.__dict__["_reply_to_message_id"] = "f" * 64
    hostile.push(task, b"", inside=reply)


@pytest.mark.parametrize(
    "attack", [not_a_message, another_kind_of_content, no_content, no_protobuf, an_answer_to_another_task]
)
def test_a_reply_that_cannot_be_read_is_an_error_of_its_device_alone(beside_an_honest_device, attack):
    reply = beside_an_honest_device(attack)
    assert (reply.has_error(), reply.error.reason) == (True, "unreadable")


def test_a_reply_in_another_device_s_name_is_not_taken(fleet, device):
    with device() as (node, connection), device() as (_, other):
        task_id = fleet.send(node)
        task = connection.pull()
        forged = answer(task, forged=1)
        forged.metadata.__dict__["_src_node_id"] = Hostile(other).node.node_id
        Hostile(other).announce(forged, get_object_tree(forged))
        assert fleet.replies(task_id) == {}
        connection.push(answer(task, honest=1))
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"honest": 1}


def test_a_second_reply_to_one_task_is_not_taken(fleet, device):
    with device() as (node, connection):
        task_id = fleet.send(node)
        task = connection.pull()
        connection.push(answer(task, first=1))
        with contextlib.suppress(AddressError):
            connection.push(answer(task, second=1))
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"first": 1}


def test_a_device_that_leaves_is_an_error_of_its_own_task_alone(fleet, device):
    with device() as (honest_node, honest):
        with device() as (node, connection):
            lost_id, honest_id = fleet.send(node), fleet.send(honest_node)
            connection.pull()
        honest.push(answer(honest.pull(), x=1))
        replies = fleet.replies(lost_id, honest_id)
    assert replies[lost_id].has_error()
    assert dict(replies[honest_id].content["update"]) == {"x": 1}


def test_a_task_that_flower_does_not_take_has_no_id(fleet):
    """It is for a node that is not there: the round goes on later."""
    assert fleet.send(12345) == ""


def test_a_device_that_crashed_is_let_back_in_at_once(fleet):
    identity = Identity.generate()
    node = fleet.admit(identity)
    with (
        connect(fleet.address, fleet.ca_pem, identity.node),  # never closed: the server believes that it is there
        connect(fleet.address, fleet.ca_pem, identity.node) as connection,
    ):
        task_id = fleet.send(node)
        connection.push(answer(connection.pull(), x=1))
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"x": 1}


@pytest.fixture
def killed_with(fleet):
    """Lets a device do what is given with a task and end without a word; gives its key, its node and the task's id."""

    def killed_with(doing):
        identity = Identity.generate()
        node = fleet.admit(identity)
        with connect(fleet.address, fleet.ca_pem, identity.node) as connection:
            task_id = fleet.send(node)
            doing(connection)
            connection._client.DeactivateNode = lambda request: None
        return identity, node, task_id

    return killed_with


def is_lost(reply) -> bool:
    return reply.has_error() and reply.error.code == ErrorCode.NODE_UNAVAILABLE


def back(fleet, identity):
    return connect(fleet.address, fleet.ca_pem, identity.node)


def half_an_answer(connection):
    reply = answer(connection.pull(), y=secrets.token_hex(4))
    Hostile(connection).announce(reply, get_object_tree(reply))


@pytest.mark.parametrize("doing", [lambda connection: connection.pull(), half_an_answer], ids=["pull", "half"])
def test_a_device_that_lost_its_task_in_a_crash_is_reported_and_can_be_asked_again(fleet, killed_with, doing):
    identity, node, task_id = killed_with(doing)
    assert fleet.replies(task_id) == {}
    with back(fleet, identity) as connection:
        assert connection.pull() is None
        assert is_lost(fleet.replies(task_id)[task_id])
        again = fleet.send(node)
        connection.push(answer(connection.pull(), x=1))
        assert dict(fleet.replies(again)[again].content["update"]) == {"x": 1}


def test_a_task_that_was_not_handed_out_before_a_crash_is_not_lost(fleet, killed_with):
    identity, _, task_id = killed_with(lambda connection: None)
    with back(fleet, identity) as connection:
        assert fleet.replies(task_id) == {}
        connection.push(answer(connection.pull(), x=1))
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"x": 1}


def test_a_device_that_answered_before_its_crash_is_not_asked_in_vain(fleet, killed_with):
    identity, _, task_id = killed_with(lambda connection: connection.push(answer(connection.pull(), x=1)))
    with back(fleet, identity) as connection:
        assert connection.pull() is None
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"x": 1}


def test_an_answer_that_comes_while_replies_are_fetched_is_not_taken_for_a_lost_task(fleet, device, monkeypatch):
    """The worst moment: the answer and the next question, just after Flower said that there is nothing yet."""
    with device() as (node, connection):
        task_id = fleet.send(node)
        task, fetch = connection.pull(), runtime_handlers.pull_messages

        def nothing_yet(*given):
            response = fetch(*given)
            connection.push(answer(task, x=1))
            connection.pull()
            return response

        with monkeypatch.context() as once:
            once.setattr(runtime_handlers, "pull_messages", nothing_yet)
            assert fleet.replies(task_id) == {}
        assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"x": 1}


def test_a_task_whose_line_broke_while_it_was_handed_out_is_lost(fleet, device):
    """Its device was there all the time, and never saw it."""
    with device() as (node, connection):
        task_id = fleet.send(node)
        connection._client.PullMessages(PullMessagesRequest(node=connection._node))
        assert fleet.replies(task_id) == {}
        assert connection.pull() is None
        assert is_lost(fleet.replies(task_id)[task_id])


def test_closing_before_the_start_frees_the_ports(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
        transport = Transport(folder, "127.0.0.1", 0, 1000)
    port = transport._public.getsockname()[1]
    for _ in range(2):
        transport.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_the_calls_are_exactly_those_of_our_own_node(fleet):
    assert {path.removeprefix("/v1/fleet/") for path in fleet.transport._fleet._calls} == {
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "pull-object",
        "push-object",
        "confirm-message-received",
    }


def test_devices_sign_as_flower_s_own_server_checks_it():
    """The listener checks in Flower's place: the same headers, the same bounds on the time."""
    assert (
        FLEET_HTTP_PUBLIC_KEY_HEADER.encode(),
        FLEET_HTTP_SIGNATURE_HEADER.encode(),
        TIMESTAMP_HEADER.encode(),
    ) == (KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER)
    assert OLDEST.total_seconds() == TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE
    assert NEWEST.total_seconds() == SYSTEM_TIME_TOLERANCE


@pytest.mark.parametrize("tasks", [["0" * 64], ["", "not an id"], []])
def test_asking_for_replies_to_a_task_that_is_not_there_breaks_nothing(fleet, tasks):
    replies = fleet.replies(*tasks)
    assert set(replies) <= set(tasks)
    assert all(reply.has_error() for reply in replies.values())


def test_a_page_is_served_beside_flower_s_interfaces(folder):
    async def pages(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the operator's page"})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
        transport = Transport(folder, "127.0.0.1", 0, 1000, pages=pages)
    try:
        transport.start()
        assert httpx.get(f"http://127.0.0.1:{transport.loopback_port}/").text == "the operator's page"
    finally:
        transport.close()


def test_a_running_server_uses_a_renewed_certificate_and_its_devices_stay(folder, start_fleet, monkeypatch):
    monkeypatch.setattr("fl_server.transport.transport._CERTIFICATE_SECONDS", 0.01)
    context = ssl.create_default_context(cafile=str(folder.ca_certificate))

    def shown(address):
        host, port = address.split(":")
        with (
            socket.create_connection((host, int(port)), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname=host) as line,
        ):
            return line.getpeercert(binary_form=True)

    identity = Identity.generate()
    with start_fleet(folder) as fleet:
        before, node = shown(fleet.address), fleet.admit(identity)
        with connect(fleet.address, fleet.ca_pem, identity.node) as connection:
            issue_server_certificate(folder, "127.0.0.1")
            while shown(fleet.address) == before:  # by its timeout this fails
                pass
            assert connection.pull() is None
        with connect(fleet.address, fleet.ca_pem, identity.node) as connection:
            fleet.send(node)
            assert connection.pull() is not None
