"""Attacks by being slow: nobody holds a connection, a thread or the whole listener by sending nothing."""

import contextlib
import socket
import ssl
import warnings

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_client.home import Identity
from fl_client.transport import connect
from fl_server.folder import FederationFolder
from fl_server.listeners import serving
from fl_server.listeners.limits import Limits
from fl_server.setup import create_federation
from fl_server.transport import Transport

CALL = "/v1/fleet/pull-messages"
FEW = 8


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A listener with time limits of a quarter of a second that takes eight connections, four from an address."""
    root = tmp_path_factory.mktemp("impatient") / "study"
    create_federation(root, {})
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that Flower calls
        patch.setattr(serving, "_HEAD_SECONDS", 0.25)
        patch.setattr(serving, "_HANDSHAKE_SECONDS", 0.25)
        limits = Limits(body_seconds=0.25, max_connections=FEW)
        transport = Transport(FederationFolder(root), "127.0.0.1", 0, 1 << 20, limits)
        try:
            transport.start()
            transport.ca_pem = FederationFolder(root).ca_certificate.read_text()
            yield transport
        finally:
            transport.close()


@pytest.fixture
def identity(impatient):
    identity = Identity.generate()
    key = identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    impatient.admit({key: "0a1b2c3d"})
    return identity


@pytest.fixture
def raw(impatient):
    """`with raw() as line:` a TCP connection without TLS."""
    port = impatient._public.getsockname()[1]
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=20)


@pytest.fixture
def dial(impatient, raw):
    context = ssl.create_default_context(cadata=impatient.ca_pem)

    @contextlib.contextmanager
    def dial():
        with raw() as line, context.wrap_socket(line, server_hostname="127.0.0.1") as wrapped:
            yield wrapped

    return dial


@pytest.fixture
def start(signed_headers, identity):
    """`start(*lines)`: a head of this device's that lacks its last empty line."""

    def start(*lines):
        signed = (f"{name}: {value}" for name, value in signed_headers(identity).items())
        return "\r\n".join([f"POST {CALL} HTTP/1.1", "host: x", *signed, *lines]).encode()

    return start


def everything(line):
    """What the server says until it cuts the line; a line that it does not cut fails the test by its timeout."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while more := line.recv(4096):
            said += more
    return said


def test_a_handshake_that_never_comes_is_cut_off(raw):
    with raw() as line:
        assert everything(line) == b""


def test_a_head_that_never_ends_is_cut_off(dial, start):
    for beginning in (b"", b"P", start()):
        with dial() as line:
            line.sendall(beginning)
            assert everything(line) == b""


def test_a_head_that_comes_byte_by_byte_is_cut_off(dial, start):
    with dial() as line, contextlib.suppress(ConnectionError, OSError):
        line.settimeout(0.02)
        for byte in start():
            line.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                assert line.recv(4096) == b""
                return
        pytest.fail("the whole head was taken")


def test_a_second_head_that_never_ends_is_cut_off(dial, start):
    with dial() as line:
        line.sendall(start("content-length: 0") + b"\r\n\r\n")
        assert line.recv(4096).split()[1] == b"403"
        line.sendall(b"P")
        assert everything(line) == b""


def test_a_body_that_never_ends_is_refused(dial, start):
    with dial() as line:
        line.sendall(start("content-length: 100") + b"\r\n\r\nonly this")
        assert everything(line).split()[1] == b"408"


def test_a_device_gets_through_once_the_slow_ones_are_cut_off(raw, impatient, identity):
    address = f"127.0.0.1:{impatient._public.getsockname()[1]}"
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(raw()) for _ in range(3 * FEW)]
        for line in slow:
            everything(line)
        with connect(address, impatient.ca_pem.encode(), identity.node) as connection:
            assert connection.pull() is None
