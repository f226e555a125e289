import asyncio

import pytest

from fl_server.listeners.loopback import LoopbackListener

SECRET = b"the secret of this process"
OURS = (b"x-attune-loopback", SECRET)
HOST = (b"host", b"127.0.0.1:8080")


async def flower(scope, receive, send):
    await send({"type": "flower"})


async def pages(scope, receive, send):
    await send({"type": "pages"})


@pytest.fixture
def ask():
    """What answers: a status, or the name of the application behind."""

    def ask(path, *headers, app=pages, kind="http"):
        sent = []

        async def send(event):
            sent.append(event)

        scope = {"type": kind, "path": path, "headers": headers}
        asyncio.run(LoopbackListener(flower, SECRET.decode(), app)(scope, None, send))
        return sent[0].get("status", sent[0]["type"]) if sent else None

    return ask


@pytest.mark.parametrize("path", ["/v1/control/start-run", "/v1/runtime/acquire-task", "/v1/fleet/get-fab", "/v1/"])
def test_flower_answers_whoever_has_the_secret(ask, path):
    assert ask(path, HOST, OURS) == "flower"
    assert ask(path, HOST) == 403
    for guess in (b"", SECRET[:-1], SECRET + b"x"):
        assert ask(path, HOST, (b"x-attune-loopback", guess)) == 403


@pytest.mark.parametrize("path", ["/", "/rounds", "/docs", "/health", "/v1", "/V1/control/start-run"])
def test_everything_else_is_the_operator_s_pages(ask, path):
    assert ask(path, HOST) == ask(path, HOST, OURS) == "pages"
    assert ask(path, HOST, app=None) == 404


@pytest.mark.parametrize(
    "host", [None, b"", b"evil.example", b"127.0.0.1.evil.example:8080", b"evil.example:127.0.0.1"]
)
def test_a_name_that_was_pointed_at_this_machine_is_not_ours(ask, host):
    headers = [] if host is None else [(b"host", host)]
    assert ask("/", *headers) == ask("/v1/control/start-run", *headers, OURS) == 421


def test_this_machine_has_two_names(ask):
    for host in (b"127.0.0.1:1", b"localhost:1"):
        assert ask("/", (b"host", host)) == "pages"


def test_flower_s_state_lives_as_long_as_the_listener(ask):
    assert ask("", kind="lifespan") == "flower"
    assert ask("/", HOST, kind="websocket") is None
