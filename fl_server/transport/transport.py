"""Flower's SuperLink inside our own process, and the two HTTP listeners on it.

The fleet listener is public: TLS, exactly the calls that our node makes, each checked before it is believed. The
loopback listener has Flower's other interfaces, behind a secret that lives only in this process, and the operator's
pages. SQLite holds Flower's transport state and nothing of ours.
"""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flwr.app import Context
from flwr.cli.build import build_fab_from_files
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.common.serde import context_from_proto, run_from_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest, PushTaskOutputRequest
from flwr.serverapp import Grid
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app
from starlette.types import ASGIApp

from fl_server.folder import FederationFolder
from fl_server.listeners.authentication import Authentication, Device
from fl_server.listeners.fleet import FleetListener
from fl_server.listeners.limits import Limits
from fl_server.listeners.loopback import SECRET_HEADER, LoopbackListener
from fl_server.listeners.serving import GRACE_SECONDS, HttpServer, listen
from fl_server.live_certificate import LiveCertificate
from fl_server.transport.credentials import TokenOnly, WithHeader
from fl_server.transport.database import Mailbox, make_modest, prepare, purge
from fl_server.transport.fleet_calls import fleet_calls
from fl_server.transport.grid import LoopbackGrid
from fl_server.transport.handouts import Handouts
from shared_models.errors import AddressError

_LOOPBACK = "127.0.0.1"
_LOOPBACK_CONNECTIONS = 200
_ACQUIRE_TASK = "/flwr.proto.Runtime/AcquireTask"
_CERTIFICATE_SECONDS = 30.0
_FAB = {
    "LICENSE": b"Apache-2.0\n",
    "attune_bundle/__init__.py": b"",
    "attune_bundle/server_app.py": b"app = None\n",
    "attune_bundle/client_app.py": b"app = None\n",
    "pyproject.toml": b"""[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "attune-bundle"
version = "1.0.0"
description = "Holds no code: server and devices run what is installed on them."
license = { file = "LICENSE" }
dependencies = ["flwr>=1.41,<1.42"]
[tool.flwr.app]
publisher = "attune"
fab-format-version = 1
flwr-version-target = "1.41.0"
[tool.flwr.app.components]
serverapp = "attune_bundle.server_app:app"
clientapp = "attune_bundle.client_app:app"
[tool.flwr.app.config]
""",
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """A claimed run: what a ServerApp is called with."""

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

        Raises AddressError where a port is taken, StorageError where another program holds Flower's database.
        """
        prepare(folder.transport)
        self._database = folder.transport
        self._token, self._secret = secrets.token_urlsafe(32), secrets.token_bytes(64)
        self._pass = WithHeader(SECRET_HEADER, secret := secrets.token_urlsafe(32))
        self._public = listen(bind, port, "server.fleet_port", limits.max_connections)
        try:
            self._loopback = listen(_LOOPBACK, loopback_port, "server.loopback_port", _LOOPBACK_CONNECTIONS)
        except AddressError:
            self._public.close()
            raise
        self._loopback_address = f"{_LOOPBACK}:{self._loopback.getsockname()[1]}"
        flower = create_app(self._config(), SuperLinkLifespan)
        self._state = flower.state.linkstate_factory.state()
        self._engines = [store._engine for store in (self._state, self._state.object_store)]
        for engine in self._engines:
            make_modest(engine)
        self._database.chmod(0o600)
        self._mailbox, self._handouts = Mailbox(self._database), Handouts()
        self._authentication = Authentication()
        self._count = count
        calls = fleet_calls(self._state, self._mailbox, self._handouts, self._note_lost)
        self._fleet = FleetListener(calls, self._authentication, limits, max_body, count)
        self._certificate = LiveCertificate(folder)
        self._servers = [
            HttpServer(LoopbackListener(flower, secret, pages), None, "on"),
            HttpServer(self._fleet, self._certificate.context, "off"),
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
        """Submits a run without code, claims its ServerApp task and yields a Session for as long as it lasts.

        Afterwards nothing of the run is left in Flower's database.
        """
        run_id = self._submit()
        grid = LoopbackGrid(self._loopback_address, self._claim(run_id), self._pass, self._handouts)
        heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(grid._runtime_client))
        heartbeat.start()
        try:
            given = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
            run = run_from_proto(given.run)
            context = context_from_proto(given.context)
            grid.set_run(run)
            TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = (
                given.task_id,
                run.run_id,
                context.node_id,
            )
            yield Session(grid, context)
            grid._runtime_client.PushTaskOutput(PushTaskOutputRequest(sub_status="completed", details=""))
        finally:
            heartbeat.stop()
            grid.close()
            self._state.stop_run(run_id)
            try:
                purge(self._database)
            except sqlite3.Error as error:  # the next start does it again, and says what is wrong if it cannot
                log.warning("what the run left in %s could not be removed: %s", self._database.name, error)

    def close(self) -> None:
        """Stops both listeners and waits for them."""
        for server in self._servers:
            server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(2 * GRACE_SECONDS + 1)
        self._fleet.close()
        self._mailbox.close()
        for engine in self._engines:
            engine.dispose()  # the last one to close the file folds its write-ahead log into it
        for listener in (self._public, self._loopback):
            listener.close()

    def _admit(self, pem: bytes, pseudonym: str) -> int:
        public_key = _public_key(pem)
        key = public_key_to_bytes(public_key)
        known = self._state.get_node_id_by_public_key(key)
        node_id = int(known or self._state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, 0))
        self._authentication.admit(Device(node_id, pseudonym, key, public_key))
        return node_id

    def _note_lost(self, reason: str, device: Device) -> None:
        self._count(reason)
        log.warning("device %s: a reply was not taken: %s", device.pseudonym, reason)

    def _submit(self) -> int:
        fab, _ = build_fab_from_files(_FAB)
        version = RuntimeVersionHttpInterceptor(component_name="flwr CLI")
        bearer = WithHeader("Authorization", f"Bearer {self._token}")
        request = StartRunRequest(fab=Fab(hash_str=hashlib.sha256(fab).hexdigest(), content=fab))
        with self._client(ControlHttpClient, version, bearer) as client:
            return int(client.StartRun(request).run_id)

    def _claim(self, run_id: int) -> str:
        version = RuntimeVersionHttpInterceptor(component_name="SuperExec")
        signed = SuperExecAuthHttpInterceptor(master_secret=self._secret, protected_methods=frozenset({_ACQUIRE_TASK}))
        with self._client(RuntimeHttpClient, version, signed) as client:
            claimed = client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
        if not claimed.token or claimed.task.run_id != run_id:
            raise RuntimeError("the SuperLink did not hand out the ServerApp task of the run just submitted")
        return str(claimed.token)

    def _client(self, kind: Any, *interceptors: Any) -> Any:
        return kind.from_server_address(self._loopback_address, True, None, [*interceptors, self._pass])

    def _config(self) -> SuperLinkLifespanConfig:
        return SuperLinkLifespanConfig(
            control_address="",
            health_server_address=None,
            host=_LOOPBACK,
            port=self._loopback.getsockname()[1],
            insecure=True,
            certificates=None,
            superexec_auth_secret=self._secret,
            authn_plugin=TokenOnly(self._token),
            event_log_plugin=None,
            fleet_event_log_plugin=None,
            enable_event_log=False,
            artifact_provider=None,
            enable_supernode_auth=True,
            fleet_api_type="grpc-rere",
            fleet_api_address=None,
            simulation=False,
            ssl_ca_certfile=None,
            ssl_certfile=None,
            ssl_keyfile=None,
            database=str(self._database),
            isolation="process",
            runtime_dependency_install=False,
        )

    def _serve(self) -> None:
        async def both() -> None:
            loopback, public = self._servers
            serving = [asyncio.create_task(loopback.serve(sockets=[self._loopback]))]
            await _until_started(loopback, serving[0])  # its lifespan makes the state that both answer from
            serving.append(asyncio.create_task(public.serve(sockets=[self._public])))
            await _until_started(public, serving[1])
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
