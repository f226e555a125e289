"""The listener for this machine: the operator's pages, and nothing of Flower's."""

from starlette.types import ASGIApp, Receive, Scope, Send

from fl_server.listeners.asgi import Headers, answer

_NAMES = (b"127.0.0.1", b"localhost")


class LoopbackListener:
    """ASGI application. Plain HTTP, as a browser refuses an authority of our own; it never leaves the machine."""

    def __init__(self, pages: ASGIApp | None) -> None:
        """`pages` gets every request; none is answered where it is None"""
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: Headers = dict(scope["headers"])
        if headers.get(b"host", b"").rpartition(b":")[0] not in _NAMES:  # a page whose name was pointed at us
            await answer(send, 421, headers={b"connection": b"close"})
        elif self._pages is not None:
            await self._pages(scope, receive, send)
        else:
            await answer(send, 404)
