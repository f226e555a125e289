"""The two public listeners under malformed bytes: everything is answered or hung up on, and honest devices go on."""

import asyncio
import contextlib
import random
import socket
import ssl
from dataclasses import dataclass
from types import SimpleNamespace

import grpc
import httpx
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from fuzz.conftest import TOTAL, Target
from fuzz.mutations import mutate

from fl_client import transport as client_transport
from fl_client.enrolment import accept, read_offer
from fl_client.home import Identity
from fl_client.transport import NodeConnection, connect
from fl_server.certificates import ca_fingerprint
from fl_server.enrolment.registry import Registry
from fl_server.enrolment.service import EnrolmentService, start_enrolment
from fl_server.server import describe
from fl_server.settings import load_settings
from shared_models.enrolment import enrolment_pb2
from shared_models.enrolment.invitation import Invitation

DEVICES = 50 if TOTAL else 5
"""As many as keep each below the listener's own limit of requests."""
SIGNED = {name.lower() for name in (FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER, TIMESTAMP_HEADER)}
_ANSWER_SECONDS = 20


@dataclass
class Recorded:
    """One request of an honest device: what it asked for, and with which headers."""

    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass
class Online:
    """An honest device that is connected, and what it asked for until now."""

    node: int
    connection: NodeConnection
    requests: list[Recorded]

    def signature(self) -> list[tuple[bytes, bytes]]:
        """The headers with which it signs a request now."""
        request = httpx.Request("POST", "https://x/")
        [signer] = [each for each in self.connection._client._interceptors if isinstance(each, NodeAuthHttpInterceptor)]
        signer.intercept(SimpleNamespace(request=request), lambda context: None)
        return [pair for pair in request.headers.raw if is_signature(pair)]


@pytest.fixture
def online(fleet, monkeypatch):
    """Enrolled devices that are connected, and every request that each made on its way through a task."""
    monkeypatch.setattr(client_transport, "_LINGER_SECONDS", 0.0)
    requests, send = [], httpx.Client.send

    def recording(client, request, **how):
        if request.url.path.startswith("/v1/fleet/"):
            requests.append(Recorded(request.url.path, list(request.headers.raw), request.content))
        return send(client, request, **how)

    monkeypatch.setattr(httpx.Client, "send", recording)
    with contextlib.ExitStack() as stack:
        devices = []
        for _ in range(DEVICES):
            identity = Identity.generate()
            node, since = fleet.admit(identity), len(requests)
            connection = stack.enter_context(connect(fleet.address, fleet.ca_pem, identity.node))
            works(fleet, node, connection)
            connection.heartbeat()
            devices.append(Online(node, connection, requests[since:]))
        yield devices


def works(fleet, node, connection):
    """An honest device still gets a task and answers it."""
    task_id = fleet.send(node)
    task = connection.pull()
    connection.push(Message(content=RecordDict({"update": ConfigRecord({"x": 1})}), reply_to=task))
    assert dict(fleet.replies(task_id)[task_id].content["update"]) == {"x": 1}


@pytest.fixture
def fleet_app(fleet):
    """`fleet_app(path, headers, body)`: the status that the public listener answers, without a network."""
    app = fleet.transport._servers[1].config.app

    async def ask(path, headers, body):
        answers, chunks = [], [body[: len(body) // 2], body[len(body) // 2 :]]

        async def receive():
            if not chunks:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

        async def send(message):
            answers.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "https",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await app(scope, receive, send)
        return answers[0]["status"]

    with asyncio.Runner() as runner:
        yield lambda *request: runner.run(asyncio.wait_for(ask(*request), _ANSWER_SECONDS))


def test_the_fleet_listener_behind_its_network(attack, fleet, online, fleet_app):
    """Of an enrolled device: its key and its signature hold, and what it sends is malformed."""

    def make(rng):
        sender, other = rng.choice(online), rng.choice(online)
        seed = rng.choice((sender if rng.random() < 0.9 else other).requests)
        body = mutate(seed.body, rng)
        headers = unsigned(seed) | {b"content-length": str(len(body)).encode()}
        if rng.random() < 0.1:
            name = rng.choice(sorted(headers))
            headers[name] = mutate(headers[name], rng)
        return seed.path, [*headers.items(), *((name.lower(), value) for name, value in sender.signature())], body

    def feed(request):
        status = fleet_app(*request)
        assert status < 500, f"{request[0]} answered {status}"
        return f"answered {status}"

    attack(Target("fleet listener, requests", 14, make, feed))
    works(fleet, online[-1].node, online[-1].connection)


def test_the_fleet_listener_on_the_wire(attack, fleet, online):
    """Of anybody: whole requests as bytes over TLS, with the signature of a device, an old one, or none."""
    context = ssl.create_default_context(cadata=fleet.ca_pem.decode())
    host, port = fleet.address.split(":")

    def make(rng):
        sender = rng.choice(online)
        seed = rng.choice(sender.requests)
        signature = rng.choice((sender.signature(), [pair for pair in seed.headers if is_signature(pair)], []))
        head = b"".join(b"%s: %s\r\n" % pair for pair in [*unsigned(seed).items(), *signature])
        return mutate(b"POST %s HTTP/1.1\r\n%s\r\n%s" % (seed.path.encode(), head, seed.body), rng)

    def feed(data):
        with (
            socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
        ):
            return said(connection, data)

    attack(Target("fleet listener, bytes over TLS", 2, make, feed))
    works(fleet, online[-1].node, online[-1].connection)


def unsigned(seed: Recorded) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in seed.headers if not is_signature((name, value))}


def is_signature(header: tuple[bytes, bytes]) -> bool:
    return header[0].decode().lower() in SIGNED


def said(connection, data):
    """The status of the answer; `hung up` where the server gave none, `waits` where it would like to hear more."""
    try:
        connection.sendall(data)
        connection.settimeout(0.2)
        answer = connection.recv(64)
    except TimeoutError:
        return "waits for more"
    except OSError:
        return "hung up"
    return f"answered {answer.split()[1].decode()}" if answer.startswith(b"HTTP/") else "hung up"


class Recorder:
    """Stands before the service and keeps every request, by the name of its call."""

    def __init__(self, service):
        self.requests, self._service = {}, service

    def __getattr__(self, name):
        def call(request, context):
            self.requests.setdefault(name, []).append(request.SerializeToString())
            return getattr(self._service, name)(request, context)

        return call


@pytest.fixture
def enrolment(folder, policy, server_key):
    """A listener with a fresh invitation for the taking, and what an honest device asked of it."""
    settings, registry = load_settings(folder.settings), Registry(folder.enrolment)
    description = describe(settings, policy, server_key)
    recorder = Recorder(EnrolmentService(registry, description, "127.0.0.1:1", lambda device: None))
    port = settings.server.enrolment_port
    key, chain = folder.certificate_key.read_bytes(), folder.certificate.read_bytes()
    server = start_enrolment(recorder, "127.0.0.1", port, key, chain)

    def enrol():
        secret, expires = registry.invite(3600)
        invitation = Invitation(
            address=f"127.0.0.1:{port}", ca_sha256=ca_fingerprint(folder), secret=secret.hex(), expires=expires
        )
        return accept(read_offer(invitation), Identity.generate())

    enrol()
    yield f"127.0.0.1:{port}", folder.ca_certificate.read_bytes(), recorder.requests, enrol, registry
    server.stop(None).wait()


def test_the_enrolment_service_on_the_wire(attack, enrolment):
    """Every call of the service, its request malformed, over TLS. Nobody is enrolled by accident."""
    address, authority, seeds, enrol, registry = enrolment
    recorded, enrolled = dict(seeds), registry.devices()
    names = [method.name for method in enrolment_pb2.DESCRIPTOR.services_by_name["Enrolment"].methods]
    prefix = f"/{enrolment_pb2.DESCRIPTOR.package}.Enrolment/"
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(authority)) as channel:
        calls = {name: channel.unary_unary(prefix + name) for name in names}

        def make(rng):
            name = rng.choice(names)
            bodies = recorded.get(name) or [body for each in recorded.values() for body in each]
            return name, mutate(rng.choice(bodies), rng)

        def feed(request):
            name, body = request
            try:
                calls[name](body, timeout=_ANSWER_SECONDS)
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise  # the handler raised, or hangs
                return error.code().name.lower()
            return "answered"

        attack(Target("enrolment service, calls over TLS", 10, make, feed))
    assert registry.devices() == enrolled
    enrol()


def test_the_enrolment_listener_as_bytes(attack, enrolment):
    """What is no HTTP/2 and no TLS either."""
    address, authority, _, enrol, _ = enrolment
    context = ssl.create_default_context(cadata=authority.decode())
    context.set_alpn_protocols(["h2"])
    host, port = address.split(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)

    def feed(made):
        in_tls, data = made
        with socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS) as raw:
            if not in_tls:
                return "no TLS: " + said(raw, data)
            with context.wrap_socket(raw, server_hostname=host) as connection:
                return said(connection, data)

    def make(rng: random.Random):
        return rng.random() < 0.7, mutate(preface, rng)

    attack(Target("enrolment listener, bytes", 1, make, feed))
    enrol()
