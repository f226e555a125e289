"""Flower's SuperLink inside our own process: the only file here that imports Flower modules that are not public.

One application, two listeners. The fleet listener is public: TLS, exactly the calls that our node makes, bodies
bounded before they are read. The loopback listener has Flower's whole API, each part of it behind a secret that
lives only in this process. SQLite holds Flower's transport state and nothing of ours.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import httpx
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flwr.app import Context, Error, Message
from flwr.app.message import make_message
from flwr.cli.build import build_fab_from_files
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.common.serde import context_from_proto, metadata_from_proto, run_from_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
)
from flwr.serverapp import Grid
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    inflate_object_from_contents,
    pull_objects,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.interceptors.http.utils import add_headers
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.auth_plugin import ControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.grid import HttpGrid
from flwr.superlink.main import create_app

from fl_server.folder import FederationFolder
from fl_server.guard import FleetOnly, Headers
from shared_models.errors import AddressError, RoundError

_LOOPBACK = "127.0.0.1"
_ACQUIRE_TASK = "/flwr.proto.Runtime/AcquireTask"
_KEY_HEADER = FLEET_HTTP_PUBLIC_KEY_HEADER.lower().encode()
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 1
_MAX_REPLY_OBJECTS = 1000
_UNREADABLE = 1
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

    def __init__(self, folder: FederationFolder, bind: str, port: int, max_body: int) -> None:
        """Opens the ports; raises AddressError where one is taken."""
        self._folder = folder
        self._token, self._secret = secrets.token_urlsafe(32), secrets.token_bytes(64)
        self._public = _listen(bind, port, "server.fleet_port")
        self._loopback = _listen(_LOOPBACK, 0, "the loopback port")
        self._loopback_address = f"{_LOOPBACK}:{self._loopback.getsockname()[1]}"
        self._admitted: set[bytes] = set()
        self._app = create_app(self._config(), SuperLinkLifespan)
        self._state = self._app.state.linkstate_factory.state()
        _let_back_in(self._state)
        folder.transport.chmod(0o600)
        self._servers = [
            self._uvicorn(self._app, "on"),
            self._uvicorn(FleetOnly(self._app, max_body, self._admits), "off"),
        ]
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="transport", daemon=True)

    def start(self, timeout: float = 60.0) -> None:
        """Returns when both listeners answer. Runs left by a server that died are ended: they never resume."""
        for run in self._state.get_run_info(statuses=["pending", "starting", "running"]):
            self._state.stop_run(run.run_id)
        self._thread.start()
        if not self._started.wait(timeout):
            raise AddressError("The server's listeners did not start in time", fix="Look into server.log")
        if not all(server.started for server in self._servers):
            raise AddressError("The server's listeners did not start", fix="Look into server.log")

    def admit(self, node_keys: Iterable[bytes]) -> dict[int, bytes]:
        """Lets the holders of these PEM public keys in and returns their node ids. Keys admitted before keep theirs."""
        return {self._node_id(_flower_key(pem)): pem for pem in node_keys}

    def revoke(self, node_keys: Iterable[bytes]) -> None:
        """The holders of these PEM public keys are let in no more, from their next request on."""
        self._admitted -= {base64.b64encode(_flower_key(pem)) for pem in node_keys}

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """Submits a run without code, claims its ServerApp task and yields a Session for as long as it lasts."""
        certificate = self._folder.ca_certificate.read_bytes()
        run_id = self._submit(certificate)
        token = self._claim(certificate, run_id)
        grid = _Grid(self._loopback_address, certificate, token)
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

    def close(self) -> None:
        """Stops both listeners and waits for them."""
        for server in self._servers:
            server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(2 * _GRACE_SECONDS + 1)
        for listener in (self._public, self._loopback):
            listener.close()

    def _admits(self, headers: Headers) -> bool:
        """Whether a request names the key of a device that was let in; Flower then checks that it holds the key."""
        return headers.get(_KEY_HEADER) in self._admitted

    def _node_id(self, key: bytes) -> int:
        self._admitted.add(base64.b64encode(key))
        known = self._state.get_node_id_by_public_key(key)
        if known is not None:
            return int(known)
        return int(self._state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, 0))

    def _submit(self, certificate: bytes) -> int:
        fab, _ = build_fab_from_files(_FAB)
        client = ControlHttpClient.from_server_address(
            self._loopback_address,
            False,
            certificate,
            [RuntimeVersionHttpInterceptor(component_name="flwr CLI"), _Bearer(self._token)],
        )
        request = StartRunRequest(fab=Fab(hash_str=hashlib.sha256(fab).hexdigest(), content=fab))
        with client:
            return int(client.StartRun(request).run_id)

    def _claim(self, certificate: bytes, run_id: int) -> str:
        client = RuntimeHttpClient.from_server_address(
            self._loopback_address,
            False,
            certificate,
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperExec"),
                SuperExecAuthHttpInterceptor(master_secret=self._secret, protected_methods=frozenset({_ACQUIRE_TASK})),
            ],
        )
        with client:
            claimed = client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
        if not claimed.token or claimed.task.run_id != run_id:
            raise RuntimeError("the SuperLink did not hand out the ServerApp task of the run just submitted")
        return str(claimed.token)

    def _config(self) -> SuperLinkLifespanConfig:
        folder = self._folder
        return SuperLinkLifespanConfig(
            control_address="",
            health_server_address=None,
            host=_LOOPBACK,
            port=self._loopback.getsockname()[1],
            insecure=False,
            certificates=(
                folder.ca_certificate.read_bytes(),
                folder.certificate.read_bytes(),
                folder.certificate_key.read_bytes(),
            ),
            superexec_auth_secret=self._secret,
            authn_plugin=_TokenOnly(self._token),
            event_log_plugin=None,
            fleet_event_log_plugin=None,
            enable_event_log=False,
            artifact_provider=None,
            enable_supernode_auth=True,
            fleet_api_type="grpc-rere",
            fleet_api_address=None,
            simulation=False,
            ssl_ca_certfile=str(folder.ca_certificate),
            ssl_certfile=str(folder.certificate),
            ssl_keyfile=str(folder.certificate_key),
            database=str(folder.transport),
            isolation="process",
            runtime_dependency_install=False,
        )

    def _uvicorn(self, app: Any, lifespan: Any) -> uvicorn.Server:
        return uvicorn.Server(
            uvicorn.Config(
                app,
                ssl_certfile=str(self._folder.certificate),
                ssl_keyfile=str(self._folder.certificate_key),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan=lifespan,
                ws="none",
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )

    def _serve(self) -> None:
        async def both() -> None:
            loopback, public = self._servers
            serving = [asyncio.create_task(loopback.serve(sockets=[self._loopback]))]
            await _until_started(loopback, serving[0])  # its lifespan makes the state that both answer from
            serving.append(asyncio.create_task(public.serve(sockets=[self._public])))
            await _until_started(public, serving[1])
            self._started.set()
            await asyncio.gather(*serving)

        asyncio.run(both())


class _Grid(HttpGrid):
    """Flower's Grid, except that one device's reply never holds up or breaks those of the others.

    Flower's own waits up to two hours for the parts of a reply, fails as a whole where one cannot be read, and believes
    what a reply says inside about the task that it answers. Where Flower's database or listener does not do what is
    asked, each call here raises RoundError.
    """

    def __init__(self, address: str, certificate: bytes, token: str) -> None:
        super().__init__(address, False, certificate, token=token)
        self._arriving: dict[str, tuple[MessageProto, ObjectTree]] = {}

    def get_nodes(self) -> Any:
        with _round_errors():
            return super().get_nodes()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        with _round_errors():
            return super().push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that are complete; one that cannot be read is an Error with the reason `unreadable`."""
        with _round_errors():
            return self._pull(set(message_ids))

    def _pull(self, tasks: set[str]) -> list[Message]:
        request = PullAppMessagesRequest(message_ids=tasks - self._arriving.keys())
        response = self._runtime_client.PullMessages(request)
        heads = zip(response.messages_list, response.message_object_trees, strict=True)
        arriving = self._arriving | {head.metadata.reply_to_message_id: (head, tree) for head, tree in heads}
        replies = {task: self._read(*arriving[task]) for task in tasks & arriving.keys()}
        self._arriving = {task: arriving[task] for task, reply in replies.items() if reply is None}
        return [reply for reply in replies.values() if reply is not None]

    def _read(self, head: MessageProto, tree: ObjectTree) -> Message | None:
        """The reply with this head, the only part that Flower has checked; None while other parts are missing."""
        run_id, message_id = head.metadata.run_id, head.metadata.message_id
        names = [part.object_id for part in itertools.islice(iterate_object_tree(tree), _MAX_REPLY_OBJECTS)]
        pull = make_pull_object_fn_protobuf(self._runtime_client.PullObject, self.node, run_id)
        try:
            contents = pull_objects(names, pull, max_tries_per_object=1)
        except ObjectPullError:
            return None
        make_confirm_message_received_fn_protobuf(self._runtime_client.ConfirmMessageReceived, self.node, run_id)(
            message_id
        )
        try:
            reply = cast(Message, inflate_object_from_contents(message_id, contents))
            if reply.metadata.reply_to_message_id == head.metadata.reply_to_message_id:
                return reply
        except Exception as error:  # a device can have written anything
            log.warning("a reply cannot be read: %s", type(error).__name__)
        return make_message(metadata_from_proto(head.metadata), error=Error(_UNREADABLE, "unreadable"))


@contextlib.contextmanager
def _round_errors() -> Iterator[None]:
    """A round can be gone on with later: its nonces and what it accepted are on the disk."""
    try:
        yield
    except httpx.HTTPError as error:
        log.warning("Flower's transport: %s", error)
        raise RoundError(
            "Flower's transport did not do what a round asks of it",
            why="its database is busy, or this machine was so slow that a task expired before it was sent",
            fix="Nothing to do: the server tries again by itself",
        ) from error


def _let_back_in(state: Any) -> None:
    """A device that crashed is let back in at once.

    Flower refuses a node whose last connection it has not yet missed, for up to two heartbeats. It asks here only after
    the node's own key has signed the request, and one device runs one node: its last connection is over.
    """
    activate = state.activate_node

    def activate_node(node_id: int, heartbeat_interval: float) -> bool:
        return activate(node_id, heartbeat_interval) or (
            state.deactivate_node(node_id) and activate(node_id, heartbeat_interval)
        )

    state.activate_node = activate_node


async def _until_started(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)


class _TokenOnly(ControlAuthnPlugin):
    """Flower's control API answers only whoever holds this process's token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_login_details(self) -> None:
        return None

    def get_auth_tokens(self, device_code: str) -> None:
        return None

    def refresh_tokens(self, metadata: Any) -> tuple[None, None]:
        return None, None

    def validate_tokens_in_metadata(self, metadata: Any) -> tuple[bool, AccountInfo | None]:
        token = next((str(value) for _, value in metadata), "")
        if not hmac.compare_digest(token, self._token):
            return False, None
        return True, AccountInfo(flwr_aid=NOOP_FLWR_AID, account_name=NOOP_ACCOUNT_NAME)


class _Bearer:
    def __init__(self, token: str) -> None:
        self._token = token

    def intercept(self, context: Any, call_next: Callable[[Any], Any]) -> Any:
        add_headers(context.request, {"Authorization": f"Bearer {self._token}"})
        return call_next(context)


def _flower_key(pem: bytes) -> bytes:
    return bytes(public_key_to_bytes(load_pem_public_key(pem)))


def _listen(host: str, port: int, setting: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
