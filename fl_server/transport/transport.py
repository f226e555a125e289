"""Flower's SuperLink inside our own process, and the two HTTP listeners.

The fleet listener is public: TLS, exactly the calls that our node makes, each checked before it is believed. The
loopback listener has the operator's pages. Flower's other interfaces, by which it runs code that it is sent, are not
there at all: its state is in this process's memory, and what a round needs of it is called directly.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flwr.app import Context, RecordDict
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SUPERLINK_NODE_ID
from flwr.serverapp import Grid
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation import NoOpFederationManager
from starlette.types import ASGIApp

from fl_server.folder import FederationFolder
from fl_server.listeners.authentication import Authentication, Device
from fl_server.listeners.fleet import FleetListener
from fl_server.listeners.limits import Limits
from fl_server.listeners.loopback import LoopbackListener
from fl_server.listeners.serving import GRACE_SECONDS, HttpServer, listen
from fl_server.live_certificate import LiveCertificate
from fl_server.transport.fleet_calls import fleet_calls
from fl_server.transport.grid import InProcessGrid
from fl_server.transport.handouts import Handouts
from fl_server.transport.link_state import LinkState, ObjectFiles
from shared_models.errors import AddressError

_LOOPBACK = "127.0.0.1"
_LOOPBACK_CONNECTIONS = 200
_CERTIFICATE_SECONDS = 30.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """A run: what a ServerApp is called with."""

    grid: Grid
    context: Context


class Transport:
    """SuperLink and its two listeners, running in a thread of their own between `start` and `close`."""

    def __init__(
        self,
        folder: FederationFolder,
        bind: str,
        port: int,
        max_body: int,
        limits: Limits = Limits(),
        loopback_port: int = 0,
        pages: ASGIApp | None = None,
        count: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """Opens the ports. `max_body` in bytes; `pages` is an ASGI application for the loopback listener.

        count: hears the reason of each request that is refused

        Raises AddressError where a port is taken, StorageError where its folder cannot be used.
        """
        objects = ObjectFiles(folder.transport)
        self._public = listen(bind, port, "server.fleet_port", limits.max_connections)
        try:
            self._loopback = listen(_LOOPBACK, loopback_port, "server.loopback_port", _LOOPBACK_CONNECTIONS)
        except AddressError:
            self._public.close()
            raise
        self._state = LinkState(NoOpFederationManager(), objects)
        self._handouts = Handouts()
        self._authentication = Authentication()
        self._count = count
        calls = fleet_calls(self._state, self._handouts, self._note_lost)
        self._fleet = FleetListener(calls, self._authentication, limits, max_body, count, self._note_seen)
        self._certificate = LiveCertificate(folder)
        self._servers = [
            HttpServer(LoopbackListener(pages), None),
            HttpServer(self._fleet, self._certificate.context),
        ]
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="transport", daemon=True)

    @property
    def loopback_port(self) -> int:
        """Where the operator's browser finds the pages, on 127.0.0.1."""
        return int(self._loopback.getsockname()[1])

    def start(self, timeout: float = 60.0) -> None:
        """Returns when both listeners answer."""
        self._thread.start()
        if not self._started.wait(timeout):
            raise AddressError("The server's listeners did not start in time", fix="Look into server.log")
        if not all(server.started for server in self._servers):
            raise AddressError("The server's listeners did not start", fix="Look into server.log")

    def admit(self, devices: Mapping[bytes, str]) -> dict[int, bytes]:
        """Lets the holders of these keys in, by PEM public key with the pseudonym that logs name; gives their node ids.

        Keys admitted before keep theirs.
        """
        return {self._admit(pem, pseudonym): pem for pem, pseudonym in devices.items()}

    def revoke(self, node_keys: Iterable[bytes]) -> None:
        """The holders of these PEM public keys are strangers from their next request on."""
        for pem in node_keys:
            device = self._authentication.revoke(public_key_to_bytes(_public_key(pem)))
            if device is not None:
                self._state.deactivate_node(device.node_id)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """Starts a run and yields a Session while it lasts; afterwards Flower has no message of it any more."""
        run_id = self._state.start_run()
        context = Context(run_id, SUPERLINK_NODE_ID, {}, RecordDict(), {})
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = run_id, run_id, context.node_id
        try:
            yield Session(InProcessGrid(self._state, run_id, self._handouts), context)
        finally:
            self._state.stop_run(run_id)

    def close(self) -> None:
        """Stops both listeners and waits for them."""
        for server in self._servers:
            server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(2 * GRACE_SECONDS + 1)
        self._fleet.close()
        for listener in (self._public, self._loopback):
            listener.close()

    def _admit(self, pem: bytes, pseudonym: str) -> int:
        public_key = _public_key(pem)
        key = public_key_to_bytes(public_key)
        known = self._state.get_node_id_by_public_key(key)
        node_id = int(known or self._state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, 0))
        self._authentication.admit(Device(node_id, pseudonym, key, public_key))
        return node_id

    def _note_seen(self, device: Device) -> None:
        """Whatever a device asks says that it is there: a heartbeat would wait behind a body that takes a while."""
        self._state.acknowledge_node_heartbeat(device.node_id, HEARTBEAT_DEFAULT_INTERVAL)

    def _note_lost(self, reason: str, device: Device) -> None:
        self._count(reason)
        log.warning("device %s: a reply was not taken: %s", device.pseudonym, reason)

    def _serve(self) -> None:
        async def both() -> None:
            opened = zip(self._servers, (self._loopback, self._public), strict=True)
            serving = [asyncio.create_task(server.serve(sockets=[port])) for server, port in opened]
            for server, task in zip(self._servers, serving, strict=True):
                await _until_started(server, task)
            self._started.set()
            watching = asyncio.create_task(self._watch_certificate())
            await asyncio.gather(*serving)
            watching.cancel()

        asyncio.run(both())

    async def _watch_certificate(self) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATE_SECONDS)
            self._certificate.refresh()


async def _until_started(server: HttpServer, serving: asyncio.Task[None]) -> None:
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)


def _public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(pem)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("a node key is not on an elliptic curve")
    return key
