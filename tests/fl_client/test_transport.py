"""The device's adapter to Flower's Fleet API, against the real one."""

import datetime as dt
import re
import socket
import ssl
import threading
from email.utils import format_datetime

import flwr
import httpx
import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.proto.fleet_pb2 import PullMessagesResponse
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree, PullObjectResponse
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_id

from fl_client import transport
from fl_client.home import Identity
from fl_client.transport import LineDownError, NodeConnection, connect
from fl_server import certificates
from fl_server.certificates import issue_server_certificate
from shared_models.errors import AddressError, CertificateError, ClockError, EnrolmentError, WireError

NOW = dt.datetime(2026, 11, 3, 9, 17, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch):
    monkeypatch.setattr(transport, "_LINGER_SECONDS", 0.0)


@pytest.fixture
def identity():
    return Identity.generate()


@pytest.fixture
def node(fleet, identity):
    return fleet.admit(identity)


@pytest.fixture
def dial(fleet, identity):
    """A connection of this device to the real server."""
    return lambda: connect(fleet.address, fleet.ca_pem, identity.node)


def test_the_adapter_was_written_for_this_version_of_flower():
    assert flwr.__version__ == "1.41.0", (
        "Flower changed. fl_client/transport.py imports modules that Flower does not promise to keep:"
        " read each of its imports again, run the tests in this file, and then pin the new version here"
    )


def test_a_task_arrives_as_it_was_sent_and_the_answer_too(fleet, node, dial):
    weights = np.random.default_rng(1).normal(size=(400, 300)).astype("f4")
    sent = RecordDict({"task": ConfigRecord({"round": 3}), "weights": ArrayRecord({"w": Array(weights)})})
    with dial() as connection:
        assert connection.pull() is None
        task_id = fleet.send(node, sent)
        task = connection.pull()
        assert dict(task.content["task"]) == {"round": 3}
        np.testing.assert_array_equal(task.content["weights"]["w"].numpy(), weights)
        assert fleet.replies(task_id) == {}
        delta = RecordDict({"delta": ArrayRecord({"w": Array(-weights)})})
        connection.push(Message(content=delta, reply_to=task))
        reply = fleet.replies(task_id)[task_id]
    np.testing.assert_array_equal(reply.content["delta"]["w"].numpy(), -weights)


def test_a_refusal_arrives_as_its_word(fleet, node, dial):
    with dial() as connection:
        task_id = fleet.send(node)
        connection.push(Message(Error(1, "budget"), reply_to=connection.pull()))
        reply = fleet.replies(task_id)[task_id]
    assert (reply.has_error(), reply.error.reason) == (True, "budget")


def test_the_server_hears_nothing_of_how_long_training_took(node, fleet, dial, monkeypatch):
    with dial() as connection:
        requests, push = [], connection._client.PushMessages
        monkeypatch.setattr(
            connection._client, "PushMessages", lambda request: requests.append(request) or push(request)
        )
        fleet.send(node)
        connection.push(Message(Error(1, "error"), reply_to=connection.pull()))
    assert [list(request.clientapp_runtime_list) for request in requests] == [[0.0]]


def test_a_device_is_online_while_it_is_connected(fleet, node, dial):
    assert node not in fleet.grid.get_node_ids()
    with dial() as connection:
        connection.heartbeat()
        assert node in fleet.grid.get_node_ids()
    assert node not in fleet.grid.get_node_ids()


def test_a_device_that_comes_back_keeps_its_place_and_its_waiting_task(fleet, node, dial):
    with dial():
        task_id = fleet.send(node)
    with dial() as connection:
        task = connection.pull()
        assert task.metadata.dst_node_id == node
        connection.push(Message(content=RecordDict({"u": ConfigRecord({"x": 1})}), reply_to=task))
        assert fleet.replies(task_id)[task_id].has_content()


@pytest.mark.parametrize(("seconds", "what"), [(-90, "behind"), (4000, "ahead of")])
def test_every_answer_tells_how_wrong_this_computer_s_clock_is(node, dial, monkeypatch, seconds, what):
    class Wrong(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.now(tz) + dt.timedelta(seconds=seconds)

    with dial() as connection:
        connection.pull()
        assert connection.clock_error is None
        monkeypatch.setattr(transport, "datetime", Wrong)
        connection.pull()
        said = re.match(r"This computer's clock is (\d+) seconds (.+) the server's", connection.clock_error.what)
    assert abs(int(said[1]) - abs(seconds)) <= 2
    assert said[2] == what


def test_an_answer_is_given_time_to_be_fetched_before_the_device_leaves(fleet, node, dial, monkeypatch):
    slept = []
    monkeypatch.setattr(transport, "_LINGER_SECONDS", 30.0)
    monkeypatch.setattr(transport.time, "sleep", slept.append)
    with dial() as connection:
        fleet.send(node)
        connection.push(Message(Error(1, "error"), reply_to=connection.pull()))
    assert 25 < slept[-1] <= 30
    with dial():
        pass
    assert slept[-1] == 0.0


def test_a_device_that_is_not_enrolled_is_told_so(fleet, dial):
    with pytest.raises(EnrolmentError, match="does not know this device") as refused, dial():
        pytest.fail("connected")
    assert "Ask whoever runs the study for a new invitation" in refused.value.fix


def test_no_device_can_take_or_answer_the_tasks_of_another(fleet, node, dial):
    other = Identity.generate()
    fleet.admit(other)
    with dial() as connection, connect(fleet.address, fleet.ca_pem, other.node) as thief:
        fleet.send(node)
        own, thief._node = thief._node, Node(node_id=node)
        with pytest.raises(AddressError, match="status 403"):
            thief.pull()
        thief._node = own
        assert thief.pull() is None
        assert connection.pull() is not None


def test_where_nobody_listens_the_address_does_not_answer(fleet, identity):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        pytest.raises(AddressError, match="does not answer"),
        connect(f"127.0.0.1:{port}", fleet.ca_pem, identity.node),
    ):
        pytest.fail("connected")


def test_another_authority_is_not_trusted(fleet, folder, identity):
    with (
        pytest.raises(CertificateError, match="certificate is not valid"),
        connect(fleet.address, folder.ca_certificate.read_bytes(), identity.node),
    ):
        pytest.fail("connected")


@pytest.fixture
def shake_hands(folder):
    """The address of a listener that shows the federation's certificate and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def serve():
        context.load_cert_chain(folder.certificate, folder.certificate_key)
        try:
            connection, _ = listener.accept()
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            pass  # the client hung up first, as it should

    thread = threading.Thread(target=serve)
    yield lambda: thread.start() or f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    thread.join()


@pytest.mark.parametrize(("backdated", "days"), [(dt.timedelta(days=9), -1), (-dt.timedelta(days=1), 9)])
def test_a_certificate_that_is_not_valid_today_is_refused(folder, identity, shake_hands, monkeypatch, backdated, days):
    monkeypatch.setattr(certificates, "_BACKDATED", backdated)
    issue_server_certificate(folder, "127.0.0.1", days)
    with (
        pytest.raises(CertificateError, match=r"it has expired.* or this computer's clock is wrong"),
        connect(shake_hands(), folder.ca_certificate.read_bytes(), identity.node),
    ):
        pytest.fail("connected")


@pytest.fixture
def status_error(monkeypatch):
    """What a status of the server means, on this computer's clock `NOW`."""

    class Fixed(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW

    monkeypatch.setattr(transport, "datetime", Fixed)

    def status_error(status, date=None):
        headers = {} if date is None else {"date": date}
        return transport._status_error(httpx.Response(status, headers=headers))

    return status_error


@pytest.mark.parametrize(("seconds", "words"), [(90, "90 seconds ahead of"), (-400, "400 seconds behind")])
def test_clocks_that_differ_are_named_with_the_difference(status_error, seconds, words):
    error = status_error(401, format_datetime(NOW - dt.timedelta(seconds=seconds), usegmt=True))
    assert isinstance(error, ClockError)
    assert words in str(error)
    assert "Set the clock" in error.fix


@pytest.mark.parametrize(
    "date", [format_datetime(NOW, usegmt=True), None, "", "yesterday", "Tue, 03 Nov 2020 09:17:00 -0000"]
)
def test_a_refusal_with_the_right_time_or_none_is_about_the_device(status_error, date):
    assert isinstance(status_error(401, date), EnrolmentError)


@pytest.mark.parametrize("status", [400, 404, 411, 412, 413, 429, 500, 502, 503])
def test_any_other_status_may_pass_by_itself(status_error, status):
    error = status_error(status)
    assert isinstance(error, AddressError)
    assert f"(status {status})" in str(error)
    assert "tries again by itself" in error.fix


class Server:
    """Answers a pull with a task of the parts given, the first of which is to be the message."""

    def __init__(self, *parts, extra=0):
        self.parts = {get_object_id(part): part for part in parts}
        root, *others = self.parts
        tree = ObjectTree(object_id=root)
        tree.children.extend(ObjectTree(object_id=name) for name in others)
        tree.children.extend(ObjectTree(object_id=f"{i:064x}") for i in range(extra))
        head = MessageProto(metadata={"message_id": root, "run_id": 1})
        self.response = PullMessagesResponse(messages_list=[head], message_object_trees=[tree])
        self.fetched, self.confirmed = [], []

    def PullMessages(self, request):  # noqa: N802 - the name in the protocol
        return self.response

    def PullObject(self, request):  # noqa: N802
        self.fetched.append(request.object_id)
        content = self.parts[request.object_id]
        return PullObjectResponse(object_found=True, object_available=True, object_content=content)

    def ConfirmMessageReceived(self, request):  # noqa: N802
        self.confirmed.append(request.message_object_id)


def pull_from(server):
    return NodeConnection(server, Node(node_id=1)).pull()


@pytest.fixture
def parts(inside_a_task):
    """The parts of a task, as they travel."""

    def parts(message_type="train", content=None):
        content = content or RecordDict({"task": ConfigRecord({"x": 1})})
        message = Message(content, 1, message_type)
        return [part.deflate() for part in get_all_nested_objects(message).values()][::-1]

    return parts


def test_a_whole_task_is_taken_and_confirmed(parts):
    server = Server(*parts())
    assert dict(pull_from(server).content["task"]) == {"x": 1}
    assert server.confirmed == [next(iter(server.parts))]


def test_an_empty_answer_is_no_task(parts):
    server = Server(*parts())
    server.response = PullMessagesResponse()
    assert pull_from(server) is None


def test_a_task_of_too_many_parts_is_refused_before_any_is_fetched(parts):
    server = Server(*parts(), extra=2000)
    with pytest.raises(WireError, match="too many parts"):
        pull_from(server)
    assert server.fetched == []


@pytest.mark.parametrize("kind", ["evaluate", "query", "train.other"])
def test_a_task_of_another_kind_than_training_is_refused(parts, kind):
    server = Server(*parts(kind))
    with pytest.raises(WireError, match="The task is not one"):
        pull_from(server)
    assert server.confirmed == []


def test_a_task_that_is_not_built_as_one_is_refused(parts):
    root, *rest = parts()
    array = Array(np.zeros(3)).deflate()
    for broken in (
        [ConfigRecord({"x": 1}).deflate()],
        [b"no head at all"],
        [b"Message  4\x00body"],
        [b"Unknown  4\x00body"],
        [root],
        [root, *rest[:-1], array],
        [root[:-9], *rest],
        [root.replace(b"Message", b"RecordDict"), *rest],
    ):
        with pytest.raises(WireError):
            pull_from(Server(*broken))


class Beating:
    """A connection that was idle at some of its wake-ups, and whose heartbeats meet errors."""

    def __init__(self, *idle):
        self.idle, self.errors = list(idle), [AddressError, CertificateError, ClockError, EnrolmentError]
        self.beats = 0

    @property
    def is_idle(self):
        return self.idle.pop(0)

    def heartbeat(self):
        self.beats += 1
        raise self.errors[self.beats - 1]("not now")


class Wakes:
    """Stands for the event that ends the heartbeats, after so many of them."""

    def __init__(self, count):
        self.count = count

    def wait(self, seconds):
        assert seconds == transport._HEARTBEAT_SECONDS == 15
        self.count -= 1
        return self.count < 0


def test_heartbeats_go_on_through_errors_until_the_end():
    connection = Beating(False, False, False, False)
    transport._beat(connection, Wakes(4))
    assert connection.beats == 4


def test_who_has_just_asked_in_vain_sends_no_heartbeat():
    connection = Beating(True, True, False, True)
    transport._beat(connection, Wakes(4))
    assert connection.beats == 1


def test_a_device_is_idle_from_an_empty_answer_until_a_task(fleet, node, dial):
    with dial() as connection:
        assert not connection.is_idle
        connection.pull()
        assert connection.is_idle
        fleet.send(node)
        connection.pull()
        assert not connection.is_idle


def test_asking_for_a_task_keeps_a_device_online(fleet, node, dial):
    with dial() as connection:
        fleet.transport._state.deactivate_node(node)
        assert node not in fleet.grid.get_node_ids()
        connection.pull()
        assert node in fleet.grid.get_node_ids()


@pytest.mark.parametrize(
    ("theirs", "words"),
    [("1", "server is older than this device's Attune"), ("99", "device's Attune is older than the study's server")],
)
def test_another_wire_format_says_who_is_behind_and_waits_long(theirs, words):
    error = transport._status_error(httpx.Response(426, headers={"x-attune-wire": theirs}))
    assert isinstance(error, LineDownError)
    assert words in str(error)
    assert error.retry_after >= 600


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("999999", 3600), (None, 0), ("soon", 0), ("-1", 0)])
def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(header, seconds):
    headers = {} if header is None else {"retry-after": header.encode()}
    for status in (408, 409, 429, 503):
        error = transport._status_error(httpx.Response(status, headers=headers))
        assert isinstance(error, LineDownError)
        assert error.retry_after == seconds


def test_a_server_cannot_send_a_device_elsewhere(dial, node):
    with dial() as connection:
        web, asked = connection._client._client, []

        def redirect(request):
            asked.append(request.url.path)
            return httpx.Response(307, headers={"location": f"https://{request.url.host}:1/elsewhere"})

        web._transport, kept = httpx.MockTransport(redirect), web._transport
        with pytest.raises(AddressError, match="status 307"):
            connection.pull()
        web._transport = kept
        assert asked == ["/v1/fleet/pull-messages"]
