"""The public listener by itself: the order of its checks, and that nothing of a refused body is read."""

import asyncio
import logging
from collections import Counter

import pytest

from fl_server.listeners.fleet import FleetListener, Refused
from fl_server.listeners.limits import Limits
from shared_models.wire import WIRE_VERSION

CAP = 1000
CALL = "/v1/fleet/pull-messages"
OURS = str(WIRE_VERSION).encode()


class Echo:
    """A call that answers what it was sent; `error` is raised at the step that it is set for."""

    def __init__(self):
        self.answered, self.errors = [], {}

    def parse(self, body):
        self.fail("parse")
        return body

    def check(self, request, device):
        self.fail("check")

    def answer(self, request, device):
        self.fail("answer")
        self.answered.append((request, device.pseudonym))
        return request[::-1]

    def fail(self, step):
        if step in self.errors:
            raise self.errors[step]


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def refusals():
    return Counter()


@pytest.fixture
def seen():
    """The pseudonyms of those who showed that they are there."""
    return []


@pytest.fixture
def listener(echo, authentication, refusals, seen):
    limits = Limits(body_seconds=0.05, requests_per_second=1.0, refusals_per_minute=3)
    count = lambda reason: refusals.update([reason])  # noqa: E731
    made = FleetListener({CALL: echo}, authentication, limits, CAP, count, lambda device: seen.append(device.pseudonym))
    yield made
    made.close()


@pytest.fixture
def call(listener, laptop, clock, echo):
    """`call(path)`: the response's status, headers and body; `body` is None for one that never comes."""

    def call(path=CALL, method="POST", headers=((b"content-length", b"4"),), body=b"body", signed=None, version=OURS):
        reads, sent = [], []

        async def receive():
            reads.append(1)
            if body is None:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        clock.now += clock.now.resolution
        signed = laptop.headers(clock.now) if signed is None else signed
        lines = [(b"x-attune-wire", version), *signed.items(), *headers]
        scope = {"type": "http", "path": path, "method": method, "headers": lines, "client": ("192.0.2.1", 1)}
        asyncio.run(listener(scope, receive, send))
        start, end = sent
        call.was_read = bool(reads)
        return start["status"], dict(start["headers"]), end["body"]

    return call


def test_a_call_of_a_device_s_is_answered(call, echo):
    status, headers, body = call()
    assert (status, body) == (200, b"ydob")
    assert headers == {b"content-length": b"4", b"content-type": b"application/x-protobuf"}
    assert echo.answered == [(b"body", "00000001")]


def test_a_device_is_there_from_its_signature_on_however_long_its_body_takes(call, seen):
    assert call(body=None)[0] == 408
    assert seen == ["00000001"]


def test_who_did_not_sign_is_not_there(call, seen):
    assert call(signed={})[0] == 401
    assert seen == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "*",
        "/health",
        "/docs",
        "/openapi.json",
        "/v1/fleet",
        "/v1/fleet/",
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
        "/v1/fleet/get-fab",
        "/v1/fleet/get-run",
        "/v1/control/start-run",
        "/v1/runtime/acquire-task",
        "/v1/runtime/push-messages",
        "/v1/fleet/pull-messages/",
        "/v1/fleet/pull-messages/../get-fab",
        "/v1/fleet/../runtime/pull-messages",
        "/v1/fleet/./pull-messages",
        "//v1/fleet/pull-messages",
        "/v1//fleet/pull-messages",
        "/V1/FLEET/PULL-MESSAGES",
        "/v1/fleet/pull-messages;/get-fab",
        "/v1/fleet/pull-messages\x00",
        "/v1/fleet/pull-messages\n",
        " /v1/fleet/pull-messages",
        "https://127.0.0.1/v1/fleet/pull-messages",
        "/flwr.proto.Fleet/PullMessages",
        "/flwr.proto.Runtime/AcquireTask",
    ],
)
def test_any_other_path_is_not_there(call, path):
    assert call(path)[0] == 404
    assert not call.was_read


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post", "TRACE"])
def test_any_other_method_is_not_there(call, method):
    assert call(method=method)[0] == 404
    assert not call.was_read


@pytest.mark.parametrize("version", [b"", b"0", b"1", str(WIRE_VERSION + 1).encode(), b"x"])
def test_another_wire_format_is_told_ours_before_anything_else(call, version):
    status, headers, body = call(version=version, signed={})
    assert (status, headers[b"x-attune-wire"], body) == (426, OURS, b"")
    assert not call.was_read


def test_a_stranger_is_refused_unread(call, make_laptop, clock):
    assert call(signed=make_laptop().headers(clock.now))[0] == 401
    assert call(signed={})[0] == 401
    assert not call.was_read


def test_an_address_that_fails_too_often_is_told_to_wait_but_a_device_behind_it_is_not(call, refusals):
    assert [call(signed={})[0] for _ in range(5)] == [401, 401, 401, 429, 429]
    assert call(signed={})[1][b"retry-after"] == b"20"
    assert call()[0] == 200
    assert refusals == {"unknown_key": 6}


def test_the_same_headers_are_refused_the_second_time(call, laptop, clock):
    signed = laptop.headers(clock.now)
    assert call(signed=signed)[0] == 200
    assert call(signed=signed)[0] == 409
    assert not call.was_read


def test_a_device_that_asks_too_often_is_told_to_wait(call):
    assert [call()[0] for _ in range(6)] == [200] * 5 + [429]
    status, headers, _ = call()
    assert (status, headers[b"retry-after"]) == (429, b"1")
    assert not call.was_read


@pytest.mark.parametrize("length", [None, b"", b"-1", b"+4", b" 4", b"4.0", b"0x4", b"four", b"4, 4", "٤".encode()])
def test_a_body_whose_length_is_not_said_is_refused_unread(call, length):
    headers = () if length is None else ((b"content-length", length),)
    assert call(headers=headers)[0] == 411
    assert not call.was_read


def test_a_chunked_body_has_no_length_whatever_it_says(call):
    for value in (b"chunked", b"gzip, chunked", b"identity"):
        assert call(headers=((b"content-length", b"4"), (b"transfer-encoding", value)))[0] == 411
    assert not call.was_read


@pytest.mark.parametrize(("length", "status"), [(0, 200), (CAP, 200), (CAP + 1, 413), (10**18, 413)])
def test_a_body_over_the_cap_is_refused_unread(call, length, status):
    assert call(headers=((b"content-length", str(length).encode()),))[0] == status


def test_a_body_that_does_not_come_in_time_is_refused(call, echo):
    assert call(body=None)[0] == 408
    assert echo.answered == []


def test_where_there_is_no_memory_a_device_is_told_to_wait(call, listener, laptop):
    with listener._memory.hold(laptop.device.key, 2 * CAP):
        status, headers, _ = call()
    assert (status, headers[b"retry-after"], call.was_read) == (503, b"2", False)
    assert call()[0] == 200


def test_a_key_that_is_revoked_while_its_body_arrives_is_refused(call, authentication, laptop, monkeypatch, echo):
    known = authentication.identify

    def revoked_after(headers):
        device = known(headers)
        authentication.revoke(device.key)
        return device

    monkeypatch.setattr(authentication, "identify", revoked_after)
    assert call()[0] == 401
    assert echo.answered == []


@pytest.mark.parametrize("step", ["parse", "check", "answer"])
@pytest.mark.parametrize(
    ("error", "status"), [(Refused(403, "spoofed"), 403), (ValueError("canary"), 400), (RuntimeError("canary"), 500)]
)
def test_a_call_that_fails_says_nothing_of_why(call, echo, refusals, caplog, step, error, status):
    echo.errors[step] = error
    with caplog.at_level(logging.DEBUG):
        assert call() == (status, {b"content-length": b"0"}, b"")
    assert "device 00000001: a request was refused" in caplog.text
    assert "canary" not in caplog.text
    assert refusals.total() == 1


def test_a_refusal_before_the_body_says_nothing_and_closes_the_connection(call):
    assert call("/v1/fleet/get-fab") == (404, {b"content-length": b"0", b"connection": b"close"}, b"")


def test_who_hangs_up_is_not_answered(listener, laptop, clock):
    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        pytest.fail("answered")

    lines = [(b"x-attune-wire", OURS), (b"content-length", b"4"), *laptop.headers(clock.now).items()]
    scope = {"type": "http", "path": CALL, "method": "POST", "headers": lines, "client": None}
    asyncio.run(listener(scope, receive, send))


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_not_http_is_left_alone(listener, kind):
    async def unused(*_):
        pytest.fail("a guarded connection was used")

    asyncio.run(listener({"type": kind, "path": CALL, "headers": []}, unused, unused))
