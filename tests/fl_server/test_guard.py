"""The guard by itself: what is refused, and that nothing of a refused body is read."""

import asyncio

import pytest

from fl_server.guard import FLEET_CALLS, FleetOnly

CAP = 1000
CALL = "/v1/fleet/pull-messages"


class Inner:
    """The application behind the guard; reads what it is given."""

    def __init__(self):
        self.bodies = []

    async def __call__(self, scope, receive, send):
        self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inner"})


@pytest.fixture
def inner():
    return Inner()


@pytest.fixture
def call(inner):
    """`call(path)`: the response's status, headers and body; a refused request must not be read."""
    guard = FleetOnly(inner, CAP, lambda headers: headers.get(b"key") == b"known")

    def call(path=CALL, method="POST", headers=((b"content-length", b"4"),), body=b"body", key=b"known"):
        reads, sent = [], []

        async def receive():
            reads.append(1)
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": [(b"key", key), *headers]}
        asyncio.run(guard(scope, receive, send))
        start, end = sent
        assert len(reads) == len(inner.bodies)
        return start["status"], dict(start["headers"]), end["body"]

    return call


def test_the_calls_are_exactly_those_of_our_own_node():
    assert {path.removeprefix("/v1/fleet/") for path in FLEET_CALLS} == {
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "pull-object",
        "push-object",
        "confirm-message-received",
    }


@pytest.mark.parametrize("path", sorted(FLEET_CALLS))
def test_a_call_of_our_node_passes_whole(call, inner, path):
    assert call(path) == (200, {}, b"inner")
    assert inner.bodies == [b"body"]


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
def test_any_other_path_is_not_there(call, inner, path):
    assert call(path)[0] == 404
    assert inner.bodies == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post", "TRACE"])
def test_any_other_method_is_not_there(call, inner, method):
    assert call(method=method)[0] == 404
    assert inner.bodies == []


@pytest.mark.parametrize("path", sorted(FLEET_CALLS))
def test_a_stranger_is_refused_unread(call, inner, path):
    assert call(path, key=b"unknown")[0] == 401
    assert inner.bodies == []


@pytest.mark.parametrize("length", [None, b"", b"-1", b"+4", b" 4", b"4.0", b"0x4", b"four", b"4, 4", "٤".encode()])
def test_a_body_whose_length_is_not_said_is_refused_unread(call, inner, length):
    headers = () if length is None else ((b"content-length", length),)
    assert call(headers=headers)[0] == 411
    assert inner.bodies == []


def test_a_chunked_body_has_no_length_whatever_it_says(call, inner):
    for value in (b"chunked", b"gzip, chunked", b"identity"):
        assert call(headers=((b"content-length", b"4"), (b"transfer-encoding", value)))[0] == 411
    assert inner.bodies == []


@pytest.mark.parametrize(("length", "status"), [(0, 200), (CAP, 200), (CAP + 1, 413), (10**18, 413)])
def test_a_body_over_the_cap_is_refused_unread(call, length, status):
    assert call(headers=((b"content-length", str(length).encode()),))[0] == status


def test_a_refusal_says_nothing_and_closes_the_connection(call):
    assert call("/v1/fleet/get-fab") == (404, {b"content-length": b"0", b"connection": b"close"}, b"")


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_not_http_never_reaches_the_application(inner, kind):
    async def unused(*_):
        pytest.fail("a guarded connection was used")

    asyncio.run(
        FleetOnly(inner, CAP, lambda headers: True)({"type": kind, "path": CALL, "headers": []}, unused, unused)
    )
    assert inner.bodies == []
