import asyncio

import pytest

from fl_server.listeners.loopback import LoopbackListener

HOST = (b"host", b"127.0.0.1:8080")


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
        asyncio.run(LoopbackListener(app)(scope, None, send))
        return sent[0].get("status", sent[0]["type"]) if sent else None

    return ask


@pytest.mark.parametrize("path", ["/", "/rounds", "/docs", "/v1/control/start-run"])
def test_everything_is_the_operator_s_pages(ask, path):
    assert ask(path, HOST) == "pages"
    assert ask(path, HOST, app=None) == 404


@pytest.mark.parametrize(
    "host", [None, b"", b"evil.example", b"127.0.0.1.evil.example:8080", b"evil.example:127.0.0.1"]
)
def test_a_name_that_was_pointed_at_this_machine_is_not_ours(ask, host):
    assert ask("/", *([] if host is None else [(b"host", host)])) == 421


def test_this_machine_has_two_names(ask):
    for host in (b"127.0.0.1:1", b"localhost:1"):
        assert ask("/", (b"host", host)) == "pages"


def test_nothing_but_http_is_answered(ask):
    assert ask("/", HOST, kind="websocket") is None
