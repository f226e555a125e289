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
Headers = dict[bytes, bytes]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class FleetOnly:
    """ASGI wrapper: any other path is 404; nothing is read from a stranger, of unknown length or over the cap."""

    def __init__(self, app: Asgi, max_body: int, admits: Callable[[Headers], bool]) -> None:
        """`max_body` in bytes; `admits` tells by a request's headers whether its sender was let in."""
        self._app, self._max_body, self._admits = app, max_body, admits

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
        headers: Headers = dict(scope["headers"])
        if not self._admits(headers):
            return 401
        length = headers.get(b"content-length", b"")
        # A transfer encoding overrides the length: the body could then go on for ever.
        if b"transfer-encoding" in headers or not length.isdigit():
            return 411
        return 413 if int(length) > self._max_body else None
