"""The little of ASGI that the listeners speak themselves."""

import asyncio

from starlette.types import Receive, Send

Headers = dict[bytes, bytes]
_PIECE_BYTES = 64 << 10


class Disconnected(Exception):  # noqa: N818 - no error
    """The sender hung up before the body was whole."""


async def answer(send: Send, status: int, body: bytes = b"", headers: Headers | None = None) -> None:
    """Sends a whole response, piece by piece as the receiver takes it: two hundred of them may fetch one model."""
    lines = [(b"content-length", str(len(body)).encode()), *(headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    for start in range(0, len(body) or 1, _PIECE_BYTES):
        piece, more = body[start : start + _PIECE_BYTES], start + _PIECE_BYTES < len(body)
        await send({"type": "http.response.body", "body": piece, "more_body": more})


async def read_body(receive: Receive, seconds: float) -> bytes:
    """The whole body. Raises TimeoutError where it takes longer than `seconds`, Disconnected where it ends early."""
    parts = []
    async with asyncio.timeout(seconds):
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise Disconnected
            parts.append(event.get("body", b""))
            if not event.get("more_body", False):
                return b"".join(parts)
