"""Attacks by somebody who was not invited, on the listener as it is open to the internet."""

import contextlib
import os
import socket
import time

import httpx
import pytest

from fl_client.home import Identity
from shared_models.wire import WIRE_HEADER, WIRE_VERSION

CALL = "/v1/fleet/pull-messages"
VERSION = {WIRE_HEADER: str(WIRE_VERSION)}
MIB = 1 << 20


def resident_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


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
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/v1/runtime/push-messages",
        "/v1/runtime/pull-messages",
        "/v1/runtime/push-object",
        "/v1/fleet/%2e%2e/runtime/pull-messages",
        "/v1/fleet/pull-messages%2f..%2fget-fab",
    ],
)
def test_nothing_but_the_calls_of_our_node_is_there_from_outside(web, attacker, signed_headers, path):
    for method in ("GET", "POST"):
        for headers in (VERSION, signed_headers(attacker.identity)):
            response = web.request(method, path, content=b"x", headers=headers)
            assert (response.status_code, response.content) == (404, b"")


def test_an_anonymous_body_of_300_megabytes_leaves_the_server_s_memory_flat(fleet, web):
    def body():
        for _ in range(300):
            yield bytes(MIB)

    before = resident_mib()
    for headers in ({}, VERSION, VERSION | {"content-length": str(300 * MIB)}):
        with contextlib.suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            assert web.post(CALL, content=body(), headers=headers).status_code in (401, 426, 429)
    assert resident_mib() - before < 40


def test_connections_that_are_opened_and_left_leave_the_server_s_memory_flat(fleet):
    host, port = fleet.address.split(":")
    count, before = 300, resident_mib()
    with contextlib.ExitStack() as held:
        for _ in range(count):
            held.enter_context(socket.create_connection((host, int(port)), timeout=20))
        while fleet.transport._public._open.total() < count:  # by its timeout this fails
            time.sleep(0.01)
        assert resident_mib() - before < 45


def test_who_was_not_let_in_is_refused_before_anything_of_the_body_came(speak, signed_headers):
    for headers in (VERSION, signed_headers(Identity.generate())):
        assert speak(CALL, headers | {"content-length": "500000"}) == 401


def test_a_known_key_without_its_signature_opens_nothing(speak, attacker, signed_headers):
    honest = signed_headers(attacker.identity) | {"content-length": "500000"}
    another = signed_headers(Identity.generate())
    for name in ("flwr-signature", "flwr-timestamp"):
        assert speak(CALL, {key: value for key, value in honest.items() if key != name}) == 401
        assert speak(CALL, honest | {name: another[name]}) == 401
    assert speak(CALL, honest | {"flwr-signature": "not base64"}) == 401


def test_an_endless_head_is_cut_off(dial):
    """A head is bounded, wherever the bytes are put."""
    with dial() as line, contextlib.suppress(ConnectionError, OSError):
        line.sendall(b"POST / HTTP/1.1\r\nx-name: ")
        for _ in range(64):
            line.sendall(b"a" * MIB)
        pytest.fail("64 MiB of a head were taken")


NOISE = {
    "zeros": bytes(100),
    "no version": b"GET\r\n\r\n",
    "another version": b"POST / HTTP/9.9\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "not ASCII": b"\xff\xfe\r\n\r\n",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_what_is_not_http_gets_an_error_and_a_closed_line(dial, noise):
    with dial() as line:
        line.sendall(noise)
        assert line.recv(4096).split()[1] in (b"400", b"404")
        while line.recv(4096):
            pass


def test_a_smuggled_second_length_is_refused(dial, attacker, signed_headers):
    for second in ("content-length: 5", "transfer-encoding: chunked"):
        lines = [f"POST {CALL} HTTP/1.1", "host: x", "content-length: 4", second]
        lines += [f"{name}: {value}" for name, value in signed_headers(attacker.identity).items()]
        with dial() as line:
            line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            assert line.recv(4096).split()[1] in (b"400", b"411")
