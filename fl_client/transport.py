"""The device's side of Flower's Fleet API. The only file of the client that imports Flower modules that are not public.

Tasks are pulled and replies pushed; nothing is ever listened on, no bundle is fetched, and no call that a device
does not need exists here. Flower's own node is not used: it ends its process on errors that are everyday here.
"""

import math
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message, MessageType
from flwr.app.message import remove_content_from_message
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    inflate_object_from_contents,
    pull_objects,
    push_object_contents_from_iterable,
)
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from shared_models.errors import AddressError, CertificateError, ClockError, EnrolmentError, WireError
from shared_models.wire import WIRE_HEADER, WIRE_VERSION

_MAX_TASK_OBJECTS = 1000
_CLOCK_TOLERANCE_SECONDS = 5
_LINGER_SECONDS = 3.0
_HEARTBEAT_SECONDS = HEARTBEAT_DEFAULT_INTERVAL / 2
_TIMEOUT_SECONDS = 30.0
_KEEP_ALIVE_SECONDS = 40.0  # the server keeps it for longer
_VERSION_SECONDS = 900.0
_LONGEST_WAIT_SECONDS = 3600.0
_BUSY = (
    httpx.codes.REQUEST_TIMEOUT,
    httpx.codes.CONFLICT,
    httpx.codes.TOO_MANY_REQUESTS,
    httpx.codes.SERVICE_UNAVAILABLE,
)
_NOTHING_TO_DO = "Nothing to do: this device tries again by itself"
_NO_RUNTIME = 0.0  # Flower asks how long the reply took; that would tell how much is stored


class LineDownError(AddressError):
    """Nobody answered, or not now. The node is still activated, so its connection can go on when the line is back."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", retry_after: float = 0.0) -> None:
        """retry_after: seconds that the server asks to be left alone for, at least"""
        self.retry_after = retry_after
        super().__init__(what, why=why, fix=fix)


class _OurHttpClient(FleetHttpClient):
    """Flower's, but that it follows no redirect, names its wire format in each request, and keeps one line open.

    A device has no use for a second one, and each costs the server a handshake and its place among the connections.

    clock_ahead: seconds by which this computer's clock was ahead of the server's at the last answer
    """

    def __init__(self, address: str, ca_pem: bytes, interceptors: list[Any]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
        super().__init__(f"https://{address}", interceptors=interceptors, verify=context)
        self._client.close()
        self._client: httpx.Client = httpx.Client(
            verify=context,
            timeout=_TIMEOUT_SECONDS,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=_KEEP_ALIVE_SECONDS),
            headers={WIRE_HEADER: str(WIRE_VERSION)},
            event_hooks={"response": [self._compare_clocks]},
        )
        self.clock_ahead = 0.0

    def _compare_clocks(self, response: httpx.Response) -> None:
        self.clock_ahead = _clock_skew(response)


class NodeConnection:
    """One device's authenticated connection: pull a task, push its reply."""

    def __init__(self, client: _OurHttpClient, node: Node) -> None:
        self._client, self._node = client, node
        self._pushed = self._found_nothing = -math.inf

    def pull(self) -> Message | None:
        """The next task, or None where there is none.

        Raises AddressError and its kin as `connect` does, WireError for a task that is not built as one.
        """
        with _transport_errors():
            response = self._client.PullMessages(PullMessagesRequest(node=self._node))
            self._found_nothing = -math.inf if response.messages_list else time.monotonic()
            tasks = zip(response.messages_list, response.message_object_trees, strict=False)
            return next((self._fetch(head, tree) for head, tree in tasks), None)

    def push(self, reply: Message) -> None:
        """Sends `reply`; it has arrived when this returns. Raises as `pull` does."""
        run_id = reply.metadata.run_id
        reply.metadata.__dict__["_message_id"] = reply.object_id
        with _transport_errors(), no_object_id_recompute():
            head = remove_content_from_message(reply) if reply.has_content() else reply
            response = self._client.PushMessages(
                PushMessagesRequest(
                    node=self._node,
                    messages_list=[message_to_proto(head)],
                    message_object_trees=[get_object_tree(reply)],
                    clientapp_runtime_list=[_NO_RUNTIME],
                )
            )
            wanted = set(response.objects_to_push)
            contents = [(i, o.deflate()) for i, o in get_all_nested_objects(reply).items() if i in wanted]
            push_object_contents_from_iterable(
                contents,
                make_push_object_fn_protobuf(self._client.PushObject, self._node, run_id, response.session_id),
                max_concurrent_pushes=1,
            )
        self._pushed = time.monotonic()

    def linger(self) -> None:
        """Waits until a reply pushed just now will have been fetched: the server drops those of a node that is gone."""
        time.sleep(max(0.0, self._pushed + _LINGER_SECONDS - time.monotonic()))

    def heartbeat(self) -> None:
        """Tells the server that this device is there. Raises as `pull` does."""
        with _transport_errors():
            self._client.SendNodeHeartbeat(
                SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL)
            )

    @property
    def is_idle(self) -> bool:
        """Whether it asked for a task just now and there was none: the server then knows that this device is there."""
        return time.monotonic() - self._found_nothing < HEARTBEAT_DEFAULT_INTERVAL

    @property
    def clock_error(self) -> ClockError | None:
        """What is wrong with this computer's clock, by the server's last answer; None where it is right enough."""
        return _clock_error(self._client.clock_ahead)

    def _fetch(self, head: MessageProto, tree: ObjectTree) -> Message:
        run_id, message_id = head.metadata.run_id, head.metadata.message_id
        names = [part.object_id for part in iterate_object_tree(tree)]
        if len(names) > _MAX_TASK_OBJECTS:
            raise WireError("schema", "The task has too many parts")
        pull = make_pull_object_fn_protobuf(self._client.PullObject, self._node, run_id)
        contents = pull_objects(names, pull_object_fn=pull, max_concurrent_pulls=1)
        try:
            message = inflate_object_from_contents(message_id, contents)
        except Exception as error:  # a server can have written anything
            raise WireError("schema", "The task cannot be read") from error
        if not isinstance(message, Message) or message.metadata.message_type != MessageType.TRAIN:
            raise WireError("schema", "The task is not one")
        message.metadata.__dict__["_message_id"] = message_id
        make_confirm_message_received_fn_protobuf(self._client.ConfirmMessageReceived, self._node, run_id)(message_id)
        return message


@contextmanager
def connect(address: str, ca_pem: bytes, key: ec.EllipticCurvePrivateKey) -> Iterator[NodeConnection]:
    """A connection as the node that holds `key`, kept alive by a heartbeat thread until the block ends.

    Raises AddressError where the server does not answer or still holds the last connection, CertificateError where
    its certificate is not valid, ClockError where the clocks differ too much, EnrolmentError where it does not know
    the key.
    """
    client = _OurHttpClient(
        address,
        ca_pem,
        [
            RuntimeVersionHttpInterceptor(component_name="SuperNode"),
            NodeAuthHttpInterceptor(key, key.public_key()),
        ],
    )
    with client:
        with _transport_errors():
            activated = client.ActivateNode(
                ActivateNodeRequest(
                    public_key=public_key_to_bytes(key.public_key()),
                    heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL,
                )
            )
        connection = NodeConnection(client, Node(node_id=activated.node_id))
        done = threading.Event()
        beating = threading.Thread(target=_beat, args=(connection, done), daemon=True)
        beating.start()
        try:
            yield connection
        finally:
            connection.linger()
            done.set()
            beating.join()
            with suppress(httpx.HTTPError):  # where the server is gone, it takes this node off its list by itself
                client.DeactivateNode(DeactivateNodeRequest(node_id=activated.node_id))


def _beat(connection: NodeConnection, done: threading.Event) -> None:
    while not done.wait(_HEARTBEAT_SECONDS):
        if connection.is_idle:
            continue
        try:
            connection.heartbeat()
        except (AddressError, CertificateError, ClockError, EnrolmentError):
            continue  # the next pull meets the same error and reports it


@contextmanager
def _transport_errors() -> Iterator[None]:
    """Turns what HTTP and TLS say into errors that tell a student what to do."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise _status_error(error.response) from error
    except httpx.TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise CertificateError(
                "The server's certificate is not valid",
                why="it has expired, is for another name, or this computer's clock is wrong",
                fix="Check the clock; otherwise tell whoever runs the study",
            ) from error
        raise LineDownError("The study's server does not answer", fix=_NOTHING_TO_DO) from error
    except (ObjectPullError, ObjectPushError) as error:
        raise AddressError("The exchange with the server broke off", fix=_NOTHING_TO_DO) from error


def _status_error(response: httpx.Response) -> AddressError | ClockError | EnrolmentError:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return _clock_error(_clock_skew(response)) or EnrolmentError(
            "The server does not know this device", fix="Ask whoever runs the study for a new invitation"
        )
    if response.status_code == httpx.codes.UPGRADE_REQUIRED:
        return _version_error(response)
    what = f"The server cannot take this device at the moment (status {response.status_code})"
    if response.status_code in _BUSY:
        return LineDownError(what, why="it is busy", fix=_NOTHING_TO_DO, retry_after=_retry_after(response))
    return AddressError(
        what, why="it is busy, or has not yet noticed that the last connection ended", fix=_NOTHING_TO_DO
    )


def _version_error(response: httpx.Response) -> LineDownError:
    """The other side speaks another wire format; whoever is behind has to be brought up to date."""
    theirs = response.headers.get(WIRE_HEADER, "")
    if theirs.isdecimal() and int(theirs) < WIRE_VERSION:
        what, fix = "The study's server is older than this device's Attune", "Tell whoever runs the study"
    else:
        what, fix = "This device's Attune is older than the study's server", "Update it"
    return LineDownError(
        what,
        why=f"the server speaks wire format {theirs[:9] or 'unknown'}, this device {WIRE_VERSION}",
        fix=f"{fix}; until then no task is taken, and nothing that is stored is lost",
        retry_after=_VERSION_SECONDS,
    )


def _retry_after(response: httpx.Response) -> float:
    seconds = response.headers.get("retry-after", "")
    return min(float(seconds), _LONGEST_WAIT_SECONDS) if seconds.isdecimal() else 0.0


def _clock_error(ahead: float) -> ClockError | None:
    if abs(ahead) <= _CLOCK_TOLERANCE_SECONDS:
        return None
    return ClockError(
        f"This computer's clock is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} the server's",
        why="requests are signed with the time",
        fix="Set the clock; this device then goes on by itself",
    )


def _clock_skew(response: httpx.Response) -> float:
    """Seconds by which this clock is ahead of the server's; 0 where the server does not say its time."""
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(response.headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return 0.0
