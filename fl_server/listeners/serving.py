"""Sockets and HTTP servers that nobody can hold by being slow."""

import asyncio
import asyncio.sslproto
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared_models.errors import AddressError

_HEAD_SECONDS = 10.0
_HANDSHAKE_SECONDS = 10.0
_GOODBYE_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 60
"""Longer than devices wait between two questions, so that a question seldom costs a handshake."""
_UNSENT_BYTES = 64 << 10
"""What may wait for one receiver: asyncio's own half a MiB, times a cohort, would fill the memory."""
_TLS_BUFFER_BYTES = 32 << 10
"""asyncio sets 256 KiB aside for each connection, idle and unfinished ones too: a thousand would fill the memory."""
GRACE_SECONDS = 1


class Listener(socket.socket):
    """Accepts so many connections at a time and half as many from one address; others are closed unheard.

    They count from the moment they are accepted: one that never ends its handshake counts too.
    """

    def __init__(self, most: int) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._most = most
        self._open: Counter[str] = Counter()

    def accept(self) -> tuple[socket.socket, Any]:
        raw, address = super().accept()
        if self._open.total() >= self._most or 2 * self._open[address[0]] >= self._most:
            raw.close()
            raise ConnectionAbortedError("too many connections")  # asyncio takes it for one that hung up itself
        self._open[address[0]] += 1
        return _Counted(raw, self._open, address[0]), address


class _Counted(socket.socket):
    """An accepted connection that is counted until it is closed."""

    def __init__(self, raw: socket.socket, open_: Counter[str], address: str) -> None:
        super().__init__(raw.family, raw.type, raw.proto, raw.detach())
        self._counted: Counter[str] | None = open_
        self._address = address

    def close(self) -> None:
        super().close()
        if self._counted is not None:
            self._counted[self._address] -= 1
            if not self._counted[self._address]:
                del self._counted[self._address]
            self._counted = None


def listen(host: str, port: int, setting: str, most: int) -> Listener:
    """Raises AddressError, naming `setting`, where the address cannot be opened."""
    listener = Listener(most)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise AddressError(
            f"The address {host}:{port} cannot be opened",
            why=error.strerror or str(error),
            fix=f"Stop the program that holds it, or change {setting} in federation.toml",
        ) from error
    return listener


class ImpatientProtocol(H11Protocol):
    """HTTP whose request heads arrive in time, or the connection is cut. uvicorn waits for them for ever."""

    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(_UNSENT_BYTES)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_came()
        elif self._head_due is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_due = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def _head_came(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None


class HttpServer(uvicorn.Server):
    """uvicorn on a socket that is open already; `context` is None for plain HTTP."""

    def __init__(self, app: ASGIApp, context: ssl.SSLContext | None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=ImpatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._context = context

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """As uvicorn's own, with a bound on how long a handshake and a goodbye may take."""
        seconds: dict[str, Any] = {}
        if self._context is not None:
            asyncio.sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES
            seconds = {"ssl_handshake_timeout": _HANDSHAKE_SECONDS, "ssl_shutdown_timeout": _GOODBYE_SECONDS}
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(self._protocol, sock=opened, ssl=self._context, backlog=100, **seconds)
            for opened in sockets or ()
        ]
        self.started = True

    def _protocol(self) -> asyncio.Protocol:
        return ImpatientProtocol(self.config, self.server_state, self.lifespan.state)
