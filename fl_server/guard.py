"""The guard before the public listener: what is not a call of our own node never reaches Flower."""

from collections.abc import Awaitable, Callable
from typing import Any

FLEET_CALLS = frozenset(
    f"/v1/fleet/{call}"
    for call in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "pull-object",
        "push-object",
        "confirm-message-received",
    )
)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class FleetOnly:
    """ASGI wrapper: any other path is 404; a body whose length is not said, or too long, is refused unread."""

    def __init__(self, app: Asgi, max_body: int) -> None:
        """`max_body` in bytes."""
        self._app, self._max_body = app, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status = self._refusal(scope)
        if status is None:
            await self._app(scope, receive, send)
            return
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _refusal(self, scope: Scope) -> int | None:
        if scope["path"] not in FLEET_CALLS or scope["method"] != "POST":
            return 404
        length = dict(scope["headers"]).get(b"content-length", b"")
        if not length.isdigit():
            return 411
        return 413 if int(length) > self._max_body else None
