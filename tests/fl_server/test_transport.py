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
from flwr.common.serde import message_to_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.fleet_pb2 import PushMessagesRequest, RegisterNodeFleetRequest
from flwr.proto.message_pb2 import ObjectTree, PushObjectRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_id, get_object_tree
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from fl_client import transport as client_transport
from fl_client.home import Identity
from fl_client.transport import connect
from fl_server.folder import FederationFolder
from fl_server.setup import create_federation
from fl_server.transport import Transport, _Bearer
from shared_models.errors import AddressError, RoundError

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


@pytest.fixture
def web(fleet):
    """A plain web client that trusts the federation's authority."""
    context = ssl.create_default_context(cadata=fleet.ca_pem.decode())
    with httpx.Client(verify=context, base_url=f"https://{fleet.address}") as client:
        yield client


@pytest.fixture
def speak(fleet):
    """`speak(head)`: the first line that the server answers to these bytes."""
    context = ssl.create_default_context(cadata=fleet.ca_pem.decode())
    host, port = fleet.address.split(":")

    def speak(head):
        with (
            socket.create_connection((host, int(port)), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
        ):
            connection.sendall(head)
            return connection.recv(4096).split(b"\r\n")[0]

    return speak


def test_the_adapter_was_written_for_this_version_of_flower():
    assert flwr.__version__ == "1.41.0", (
        "Flower changed. fl_server/transport.py imports modules that Flower does not promise to keep:"
        " read each of its imports again, run the tests in this file, and then pin the new version here"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/docs",
        "/openapi.json",
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
        "/v1/fleet/get-fab",
        "/v1/fleet/get-run",
        "/v1/control/start-run",
        "/v1/control/list-runs",
        "/v1/runtime/acquire-task",
        "/v1/runtime/push-messages",
        "/v1/runtime/pull-messages",
        "/v1/fleet/%2e%2e/runtime/pull-messages",
        "/v1/fleet/pull-messages%2f..%2fget-fab",
    ],
)
def test_nothing_but_the_calls_of_our_node_is_there_from_outside(web, path):
    for method in ("GET", "POST"):
        response = web.request(method, path, content=b"x")
        assert (response.status_code, response.content) == (404, b"")


def test_who_was_not_let_in_is_refused_before_anything_is_read(speak):
    head = f"POST {CALL} HTTP/1.1\r\nhost: x\r\ncontent-length: 500000\r\n\r\n"
    assert speak(head.encode()) == b"HTTP/1.1 401 Unauthorized"


@pytest.fixture
def device_head(fleet, device):
    """The head of a request in the name of a device; its signature is missing."""
    with device():
        key = sorted(fleet.transport._admitted)[0].decode()

    def device_head(*headers):
        lines = (f"POST {CALL} HTTP/1.1", "host: x", f"flwr-public-key: {key}", *headers)
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    return device_head


def test_a_body_over_the_cap_is_refused_before_any_of_it_came(speak, device_head):
    assert speak(device_head(f"content-length: {20 << 20}")).split()[1] == b"413"


def test_a_body_of_unknown_length_is_refused_before_any_of_it_came(speak, device_head):
    assert speak(device_head("transfer-encoding: chunked")) == b"HTTP/1.1 411 Length Required"
    answer = speak(device_head("content-length: 4", "transfer-encoding: chunked"))
    assert answer.split()[1] in (b"400", b"411")


def test_a_twenty_mebibyte_post_is_refused(web):
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # the server hangs up while it is still being sent
        assert web.post(CALL, content=bytes(20 << 20)).status_code in (401, 413)
    assert web.post("/v1/fleet/get-fab", content=b"").status_code == 404


def test_a_known_key_without_its_signature_opens_nothing(fleet, device, web):
    with device():
        key = sorted(fleet.transport._admitted)[0].decode()
        headers = {"flwr-public-key": key, "content-type": "application/x-protobuf"}
        assert web.post(CALL, content=b"", headers=headers).status_code in (400, 401, 415)


@pytest.fixture
def inside(fleet):
    """`inside(kind, *interceptors)`: a client of Flower's other parts, from this machine."""
    with contextlib.ExitStack() as stack:
        yield lambda kind, *interceptors: stack.enter_context(
            kind.from_server_address(fleet.loopback_address, False, fleet.ca_pem, interceptors=list(interceptors))
        )


def refused(call, request):
    with pytest.raises(httpx.HTTPStatusError) as answer:
        call(request)
    return answer.value.response.status_code


def test_flower_s_other_parts_are_on_this_machine_only(fleet):
    assert fleet.loopback_address.startswith("127.0.0.1:")
    assert fleet.loopback_address != fleet.address


def test_without_this_process_s_token_no_run_is_started(fleet, inside):
    for interceptors in ([], [_Bearer("guess")]):
        client = inside(ControlHttpClient, RuntimeVersionHttpInterceptor(component_name="flwr CLI"), *interceptors)
        assert refused(client.StartRun, StartRunRequest(fab=Fab(hash_str="0" * 64, content=b""))) == 401


def test_without_this_process_s_secret_no_task_of_the_server_s_is_claimed(inside):
    secret = SuperExecAuthHttpInterceptor(
        master_secret=bytes(64), protected_methods=frozenset({"/flwr.proto.Runtime/AcquireTask"})
    )
    for interceptors in ([], [secret]):
        client = inside(RuntimeHttpClient, RuntimeVersionHttpInterceptor(component_name="SuperExec"), *interceptors)
        request = AcquireTaskRequest(supported_task_types=["flwr-serverapp"])
        assert refused(client.AcquireTask, request) in (401, 403)


def test_nobody_registers_a_node_by_himself_not_even_on_this_machine(inside):
    key = Identity.generate().node
    client = inside(
        FleetHttpClient,
        RuntimeVersionHttpInterceptor(component_name="SuperNode"),
        NodeAuthHttpInterceptor(key, key.public_key()),
    )
    request = RegisterNodeFleetRequest(public_key=public_key_to_bytes(key.public_key()))
    assert refused(client.RegisterNode, request) in (400, 403, 412, 501)


def test_the_transport_s_state_is_for_its_owner_only(fleet):
    assert stat.S_IMODE(fleet.folder.transport.stat().st_mode) == 0o600


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


def test_a_task_that_expired_before_it_was_sent_ends_no_server(fleet, device):
    """A machine that was suspended, or is far too slow: the round goes on later."""
    with device() as (node, _), pytest.raises(RoundError, match="did not do what a round asks"):
        fleet.send(node, ttl=1e-3)


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


def test_closing_before_the_start_frees_the_ports(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
        transport = Transport(folder, "127.0.0.1", 0, 1000)
    port = transport._public.getsockname()[1]
    for _ in range(2):
        transport.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
