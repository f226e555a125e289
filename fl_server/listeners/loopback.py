"""The listener for this machine: Flower's own interfaces behind a secret of this process, and the operator's pages."""

import hmac
import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from fl_server.listeners.asgi import Headers, answer

SECRET_HEADER = "x-attune-loopback"
_FLOWER = "/v1/"
_NAMES = (b"127.0.0.1", b"localhost")
log = logging.getLogger(__name__)


class LoopbackListener:
    """ASGI application. Plain HTTP, as a browser refuses an authority of our own; it never leaves the machine.

    A task token that was read out of Flower's database opens nothing: the secret is only in this process's memory.
    """

    def __init__(self, flower: ASGIApp, secret: str, pages: ASGIApp | None) -> None:
        """`pages` gets every request that is not for Flower; there are none where it is None"""
        self._flower, self._secret, self._pages = flower, secret.encode(), pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._flower(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        if headers.get(b"host", b"").rpartition(b":")[0] not in _NAMES:  # a page whose name was pointed at us
            await answer(send, 421, headers={b"connection": b"close"})
        elif scope["path"].startswith(_FLOWER):
            if hmac.compare_digest(headers.get(SECRET_HEADER.encode(), b""), self._secret):
                await self._flower(scope, receive, send)
            else:
                log.warning("a call of Flower's interfaces without this process's secret was refused")
                await answer(send, 403, headers={b"connection": b"close"})
        elif self._pages is not None:
            await self._pages(scope, receive, send)
        else:
            await answer(send, 404)
