"""What an attacker has: a socket, a web client, and at best an enrolled device of his own."""

import base64
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_client import transport as client_transport
from fl_client.home import Identity
from fl_client.transport import NodeConnection, connect
from shared_models.wire import WIRE_HEADER, WIRE_VERSION


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch):
    monkeypatch.setattr(client_transport, "_LINGER_SECONDS", 0.0)


def _signed_headers(identity: Identity, at: datetime | None = None) -> dict[str, str]:
    """The headers of an honest request of this device, signed at that time."""
    time = (at or datetime.now(UTC)).isoformat()
    key = identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "content-type": "application/x-protobuf",
        WIRE_HEADER: str(WIRE_VERSION),
        "flwr-public-key": base64.b64encode(key).decode(),
        "flwr-timestamp": time,
        "flwr-signature": base64.b64encode(identity.node.sign(time.encode(), ec.ECDSA(hashes.SHA256()))).decode(),
    }


@pytest.fixture
def signed_headers() -> Callable[..., dict[str, str]]:
    """`signed_headers(identity)`: those of an honest request of this device, now or at another time."""
    return _signed_headers


@dataclass
class Attacker:
    """An enrolled device that speaks the protocol by hand."""

    identity: Identity
    node: int
    web: httpx.Client

    def post(self, call: str, content: bytes = b"", **headers: str) -> int:
        """The status of a signed request."""
        response = self.web.post(f"/v1/fleet/{call}", content=content, headers=_signed_headers(self.identity) | headers)
        return response.status_code


@pytest.fixture
def web(fleet) -> Iterator[httpx.Client]:
    """A plain web client that trusts the federation's authority."""
    context = ssl.create_default_context(cadata=fleet.ca_pem.decode())
    with httpx.Client(verify=context, base_url=f"https://{fleet.address}", timeout=30) as client:
        yield client


@pytest.fixture
def attacker(fleet, web) -> Attacker:
    identity = Identity.generate()
    return Attacker(identity, fleet.admit(identity), web)


@pytest.fixture
def device(fleet) -> Callable[[], contextlib.AbstractContextManager[tuple[int, NodeConnection]]]:
    """`with device() as (node, connection):` an honest device that is online."""

    @contextlib.contextmanager
    def device():
        identity = Identity.generate()
        node = fleet.admit(identity)
        with connect(fleet.address, fleet.ca_pem, identity.node) as connection:
            yield node, connection

    return device


@pytest.fixture
def dial(fleet) -> Callable[[], contextlib.AbstractContextManager[ssl.SSLSocket]]:
    """`with dial() as line:` a TLS connection on which nothing was said yet."""
    context = ssl.create_default_context(cadata=fleet.ca_pem.decode())
    host, port = fleet.address.split(":")

    @contextlib.contextmanager
    def dial():
        with (
            socket.create_connection((host, int(port)), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname=host) as line,
        ):
            yield line

    return dial


@pytest.fixture
def speak(dial) -> Callable[[str, dict[str, str]], int]:
    """`speak(path, headers)`: the status that the server answers when it has seen the head of a request only."""

    def speak(path: str, headers: dict[str, str]) -> int:
        lines = [f"POST {path} HTTP/1.1", "host: x", *(f"{name}: {value}" for name, value in headers.items())]
        with dial() as line:
            line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            return int(line.recv(4096).split()[1])

    return speak
