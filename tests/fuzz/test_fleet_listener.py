"""The fleet listener under malformed bytes: everything is answered or hung up on, and honest devices go on."""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from fuzz.conftest import TOTAL, Target
from fuzz.mutations import mutate
from fuzz.sockets import ANSWER_SECONDS, said

from fl_client import transport as client_transport
from fl_client.home import Identity
from fl_client.transport import NodeConnection, connect

DEVICES = 50 if TOTAL else 5
"""As many as keep each below the listener's own limit of requests."""
SIGNED = {name.lower() for name in (FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER, TIMESTAMP_HEADER)}


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
        yield lambda *request: runner.run(asyncio.wait_for(ask(*request), ANSWER_SECONDS))


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
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
        ):
            return said(connection, data)

    attack(Target("fleet listener, bytes over TLS", 2, make, feed))
    works(fleet, online[-1].node, online[-1].connection)


def unsigned(seed: Recorded) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in seed.headers if not is_signature((name, value))}


def is_signature(header: tuple[bytes, bytes]) -> bool:
    return header[0].decode().lower() in SIGNED
