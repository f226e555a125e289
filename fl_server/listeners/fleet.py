"""The public listener. A request passes these checks in this order; the first that it fails gives its status:

404 one of our node's calls -> 426 the same wire format -> 401 a device that was let in, by its headers (429 for an
address that fails too often) -> 409 headers not used before -> 429 not too many requests -> 411, 413 a stated length
within bounds -> 503 room in memory -> 408 the body arrives in time -> 400 it is the call's message -> 403 everything
it names is the sender's own -> the call itself.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from fl_server.listeners.asgi import Disconnected, Headers, answer, read_body
from fl_server.listeners.authentication import Authentication, Device, Replayed, UnknownDevice
from fl_server.listeners.limits import BodyMemory, Limits, TokenBuckets
from shared_models.wire import WIRE_HEADER, WIRE_VERSION

_WIRE_HEADER = WIRE_HEADER.encode()
_VERSION = str(WIRE_VERSION).encode()
_BUSY_SECONDS = 2.0
_UNREAD = frozenset({401, 404, 408, 409, 411, 413, 426, 429, 503})
"""Statuses of requests whose body is still to come: it is not waited for."""
_THREADS = 2  # one may hash a large part, or wait for the disk, while the other answers short calls
log = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - an answer
    """A request is answered with this status; `reason` is a word for logs and counts."""

    def __init__(self, status: int, reason: str, wait: float = 0.0) -> None:
        self.status, self.reason, self.wait = status, reason, wait
        super().__init__(reason)


class Call(Protocol):
    """One call of the Fleet API. Every method raises Refused where the request cannot be answered."""

    def parse(self, body: bytes) -> Any: ...

    def check(self, request: Any, device: Device) -> None:
        """Whether everything that `request` names is `device`'s own."""

    def answer(self, request: Any, device: Device) -> bytes: ...


class FleetListener:
    """ASGI application: `calls` by path, for the devices of `authentication`. `count` hears why each refusal was,
    `seen` of each request that a device has signed, before its body has come."""

    def __init__(
        self,
        calls: Mapping[str, Call],
        authentication: Authentication,
        limits: Limits,
        max_body: int,
        count: Callable[[str], None],
        seen: Callable[[Device], None],
    ) -> None:
        """`max_body` in bytes"""
        self._calls, self._authentication, self._max_body = calls, authentication, max_body
        self._body_seconds = limits.body_seconds
        self._devices, self._strangers = TokenBuckets.for_devices(limits), TokenBuckets.for_strangers(limits)
        self._memory = BodyMemory(max_body)
        self._threads = ThreadPoolExecutor(_THREADS, "fleet")
        self._count, self._seen = count, seen

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            response = await self._respond(scope, receive)
        except Disconnected:
            return
        except Refused as refused:
            self._count(refused.reason)
            await answer(send, refused.status, headers=_refusal_headers(refused))
        else:
            await answer(send, 200, response, {b"content-type": b"application/x-protobuf"})

    async def _respond(self, scope: Scope, receive: Receive) -> bytes:
        call = self._calls.get(scope["path"]) if scope["method"] == "POST" else None
        if call is None:
            raise Refused(404, "no_such_call")
        headers: Headers = dict(scope["headers"])
        if headers.get(_WIRE_HEADER) != _VERSION:
            raise Refused(426, "other_version")
        device = self._identify(headers, scope["client"])
        try:
            with self._memory.hold(device.key, self._length(headers)) as room:
                if not room:
                    raise Refused(503, "busy", _BUSY_SECONDS)
                body = await self._read(receive)
                if not self._authentication.is_admitted(device):
                    raise Refused(401, "unknown_key")
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, _work, call, body, device)
        except Refused as refused:
            log.warning("device %s: a request was refused: %s", device.pseudonym, refused.reason)
            raise

    def _identify(self, headers: Headers, client: tuple[str, int] | None) -> Device:
        try:
            device = self._authentication.identify(headers)
        except UnknownDevice as unknown:
            wait = self._strangers.take(client[0] if client else "")
            raise Refused(429 if wait else 401, unknown.reason, wait) from unknown
        except Replayed as replayed:
            raise Refused(409, "replayed_request") from replayed
        if wait := self._devices.take(device.key):
            raise Refused(429, "too_many_requests", wait)
        self._seen(device)
        return device

    def _length(self, headers: Headers) -> int:
        length = headers.get(b"content-length", b"")
        # A transfer encoding overrides the length: the body could then go on for ever.
        if b"transfer-encoding" in headers or not length.isdigit():
            raise Refused(411, "no_length")
        if len(length) > 18 or int(length) > self._max_body:
            raise Refused(413, "too_large")
        return int(length)

    async def _read(self, receive: Receive) -> bytes:
        try:
            return await read_body(receive, self._body_seconds)
        except TimeoutError as error:
            raise Refused(408, "too_slow") from error


def _work(call: Call, body: bytes, device: Device) -> bytes:
    """In a thread: the disk may make it wait."""
    try:
        request = call.parse(body)
        call.check(request, device)
        return call.answer(request, device)
    except Refused:
        raise
    except ValueError as error:
        raise Refused(400, "malformed") from error
    except Exception as error:
        log.error("a call failed: %s", type(error).__name__)  # its text may hold what a device wrote
        raise Refused(500, "failed") from error


def _refusal_headers(refused: Refused) -> Headers:
    headers: Headers = {b"connection": b"close"} if refused.status in _UNREAD else {}
    if refused.status == 426:
        headers |= {b"upgrade": b"attune/" + _VERSION, _WIRE_HEADER: _VERSION}
    if refused.wait:
        headers[b"retry-after"] = str(math.ceil(refused.wait)).encode()
    return headers
