"""Malformed protobuf on every call, in an enrolled device's name, through the real listener.

`fuzz(count, seed)` sends as many as asked: `PYTHONPATH=. python tests/attacks/test_malformed_messages.py 100000 1`.
"""

import argparse
import base64
import logging
import ssl
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PushObjectRequest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fl_server.folder import FederationFolder
from fl_server.listeners.limits import Limits
from fl_server.setup import create_federation
from fl_server.transport import Transport
from shared_models.wire import WIRE_HEADER, WIRE_VERSION

SHORT = 400
REQUESTS: dict[str, type[Message]] = {
    "activate-node": ActivateNodeRequest,
    "deactivate-node": DeactivateNodeRequest,
    "send-node-heartbeat": SendNodeHeartbeatRequest,
    "pull-messages": PullMessagesRequest,
    "push-messages": PushMessagesRequest,
    "pull-object": PullObjectRequest,
    "push-object": PushObjectRequest,
    "confirm-message-received": ConfirmMessageReceivedRequest,
}
CANARY = "canary-5f1d"


class Sender:
    """An enrolled device; gives the status of what it sends."""

    def __init__(self, web: httpx.Client, node: int, run: int, key: ec.EllipticCurvePrivateKey) -> None:
        self._web, self.node, self.run, self._key = web, node, run, key
        self.public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def post(self, call: str, content: bytes) -> int:
        time = datetime.now(UTC).isoformat()
        headers = {
            "content-type": "application/x-protobuf",
            WIRE_HEADER: str(WIRE_VERSION),
            "flwr-public-key": base64.b64encode(self.public).decode(),
            "flwr-timestamp": time,
            "flwr-signature": base64.b64encode(self._key.sign(time.encode(), ec.ECDSA(hashes.SHA256()))).decode(),
        }
        return self._web.post(f"/v1/fleet/{call}", content=content, headers=headers).status_code


@contextmanager
def running_server() -> Iterator[Sender]:
    """A server of its own, without rate limits, with a run in progress."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
        create_federation(Path(root) / "study", {})
        folder = FederationFolder(Path(root) / "study")
        transport = Transport(folder, "127.0.0.1", 0, 1 << 20, Limits(requests_per_second=1e6))
        try:
            transport.start()
            key = ec.generate_private_key(ec.SECP384R1())
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            [node] = transport.admit({public: "0a1b2c3d"})
            context = ssl.create_default_context(cafile=str(folder.ca_certificate))
            url = f"https://127.0.0.1:{transport._public.getsockname()[1]}"
            with transport.session() as session, httpx.Client(verify=context, base_url=url, timeout=30) as web:
                yield Sender(web, node, session.grid.run.run_id, key)
        finally:
            transport.close()


def fuzz(count: int, seed_: int) -> Counter[int]:
    """Sends `count` malformed requests to a server of its own; gives how often it answered with which status.

    Raises AssertionError where it does not answer, fails instead of refusing, or logs what was sent.
    """
    with running_server() as sender:
        return send_malformed(sender, count, seed_)


def send_malformed(sender: Sender, count: int, seed_: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    bodies = {call: requests(call, sender) for call in REQUESTS}

    @seed(seed_)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def send(data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(REQUESTS)))
        content = data.draw(bodies[call])
        status = sender.post(call, content)
        statuses[status] += 1
        assert status in (200, 400, 403, 404, 412), (call, status, content)

    with quiet_server():
        send()
    assert sender.post("pull-messages", b"") == 403  # it is still there, and as strict
    return statuses


@contextmanager
def quiet_server() -> Iterator[None]:
    """Fails where the server logs a traceback or something that was sent."""
    heard: list[logging.LogRecord] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    ear, loggers = Ear(), [logging.getLogger(name) for name in ("fl_server", "flwr", "uvicorn", "asyncio")]
    for logger in loggers:
        logger.addHandler(ear)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(ear)
    for record in heard:
        assert record.exc_info is None
        assert CANARY not in record.getMessage()


def requests(call: str, sender: Sender) -> st.SearchStrategy[bytes]:
    """Bodies of `call`: any bytes; a message with any fields; one that names the sender rightly; and those, damaged."""
    built = messages(REQUESTS[call].DESCRIPTOR)
    bodies = st.one_of(built, built.map(lambda message: naming(message, sender))).map(serialized)
    return st.one_of(st.binary(max_size=200), bodies, st.builds(damaged, bodies, POSITIONS, POSITIONS, BYTES))


def messages(descriptor: Descriptor, depth: int = 4) -> st.SearchStrategy[Message]:
    """Messages of this type with any of their fields set to anything."""
    fields = {field.name: values(field, depth) for field in descriptor.fields if depth or field.message_type is None}
    return st.fixed_dictionaries({}, optional=fields).map(lambda given_: build(descriptor, given_))


def build(descriptor: Descriptor, given_: dict[str, object]) -> Message:
    message = descriptor._concrete_class()
    for name, value in given_.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                entry = getattr(message, name)
                if isinstance(inner, Message):
                    entry[key].CopyFrom(inner)
                else:
                    entry[key] = inner
        elif isinstance(value, list):
            getattr(message, name).extend(value)
        elif isinstance(value, Message):
            getattr(message, name).CopyFrom(value)
        else:
            setattr(message, name, value)
    return message


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[object]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return st.dictionaries(values(key, depth - 1), values(value, depth - 1), max_size=2)
    one = SCALARS[field.cpp_type](field, depth)
    return st.lists(one, max_size=3) if field.is_repeated else one


TEXTS = st.one_of(st.sampled_from(["", "0" * 64, "train", CANARY]), st.text(max_size=80))
POSITIONS = st.floats(0, 1)
BYTES = st.one_of(st.sampled_from([b"", b"Message  4\x00body"]), st.binary(max_size=80))
SCALARS: dict[int, Callable[[FieldDescriptor, int], st.SearchStrategy[object]]] = {
    FieldDescriptor.CPPTYPE_INT32: lambda *_: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: lambda *_: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: lambda *_: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: lambda *_: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: lambda *_: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: lambda *_: st.floats(width=32),
    FieldDescriptor.CPPTYPE_BOOL: lambda *_: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: lambda field, _: st.sampled_from([value.number for value in field.enum_type.values]),
    FieldDescriptor.CPPTYPE_STRING: lambda field, _: BYTES if field.type == FieldDescriptor.TYPE_BYTES else TEXTS,
    FieldDescriptor.CPPTYPE_MESSAGE: lambda field, depth: messages(field.message_type, max(0, depth - 1)),
}


def naming(message: Message, sender: Sender) -> Message:
    """The same message with the sender's own names and the run in progress, so that it comes as far as it can."""
    fields = message.DESCRIPTOR.fields_by_name
    if "node" in fields:
        message.node.node_id = sender.node
    if "node_id" in fields:
        message.node_id = sender.node
    if "public_key" in fields:
        message.public_key = sender.public
    if "run_id" in fields:
        message.run_id = sender.run
    for head, tree in zip(
        getattr(message, "messages_list", ()), getattr(message, "message_object_trees", ()), strict=False
    ):
        head.metadata.src_node_id, head.metadata.run_id = sender.node, sender.run
        tree.object_id = head.metadata.message_id
    return message


def serialized(message: Message) -> bytes:
    return message.SerializeToString()


def damaged(content: bytes, first: float, second: float, instead: bytes) -> bytes:
    """The same bytes with those between two places, from 0 to 1 of the whole, overwritten."""
    begin, end = sorted((int(first * len(content)), int(second * len(content))))
    return content[:begin] + instead + content[end:]


@pytest.fixture(scope="module")
def sender() -> Iterator[Sender]:
    with running_server() as sender:
        yield sender


def test_malformed_messages_are_refused_and_the_server_goes_on(sender):
    statuses = send_malformed(sender, SHORT, 7)
    assert statuses.total() >= SHORT / 2
    assert statuses.keys() >= {200, 400, 403}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    asked = parser.parse_args()
    logging.getLogger("fl_server").propagate = False  # a line for each refusal
    print(dict(sorted(fuzz(asked.count, asked.seed).items())))
