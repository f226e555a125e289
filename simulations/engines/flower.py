"""Flower's simulation runtime on Ray: the only file of the simulations with Flower modules that are not public.

Flower's `run_simulation` is deprecated; `flwr run`, which is to be used instead, installs packages and leaves a server
behind. Both end in `start_vce`, which is called here, so that it is known which node is which device.
"""

import json
import logging
import os
import secrets
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, cast

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import HEARTBEAT_INTERVAL_INF, NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SUPERLINK_NODE_ID
from flwr.proto.task_pb2 import Task
from flwr.server.superlink.fleet.vce import start_vce
from flwr.server.superlink.fleet.vce.metrics import VceMetrics
from flwr.server.superlink.linkstate import LinkStateFactory
from flwr.server.superlink.linkstate.in_memory_linkstate import RunRecord
from flwr.serverapp import ServerApp
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.grid import InMemoryGrid

from shared_models.errors import RoundError

_OBJECT_STORE_BYTES = 128 << 20
_RUN, _TASK = 1, 1
_ENVIRONMENT = {  # nothing is reported to anyone, and nothing is installed
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # of what Ray has, this alone keeps it from listening to other machines
    "RAY_AUTH_MODE": "token",  # and this from obeying other users of this one
}


class FlowerRuntime:
    """One run of Flower's simulation runtime, with a node for each device."""

    def __init__(self, devices: int) -> None:
        logging.getLogger("flwr").setLevel(logging.CRITICAL)  # what matters is raised, and there is a progress bar
        self._states = LinkStateFactory(FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), ObjectStoreFactory())
        self._run = Run.create_empty(_RUN)
        self._run.primary_task_id, self._run.federation_id = _TASK, NOOP_FEDERATION_ID
        state: Any = self._states.state()
        state.run_ids[_RUN] = RunRecord(run=self._run)
        state.task_store[_TASK] = Task(task_id=_TASK, run_id=_RUN)
        self.nodes = [self._create_node() for _ in range(devices)]
        """The node id of each device."""

    def run(self, server_app: ServerApp, client_app: Callable[[Message, Context], Message], workers: int) -> None:
        """Runs `server_app` to its end, with `client_app` in `workers` of Ray's processes.

        Raises RoundError where Ray fails, and whatever `server_app` raises.
        """
        _start_ray(workers)
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = _TASK, _RUN, SUPERLINK_NODE_ID
        stop, raised = threading.Event(), list[BaseException]()
        server = threading.Thread(target=self._serve, args=(server_app, stop, raised), daemon=True)
        server.start()
        try:
            start_vce(
                backend_name="ray",
                backend_config_json_stream=json.dumps({"client_resources": {"num_cpus": 1}}),
                app_dir="",
                is_app=False,
                f_stop=stop,
                run=self._run,
                metrics=VceMetrics(),
                client_app=cast(ClientApp, client_app),
                state_factory=self._states,
                existing_nodes_mapping={node: number for number, node in enumerate(self.nodes)},
            )
        except RuntimeError as error:
            raise _ray_failed(error.__cause__ or error) from error
        finally:
            stop.set()
        server.join()
        if raised:
            raise raised[0]

    def _create_node(self) -> int:
        state = self._states.state()
        node = int(state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, secrets.token_bytes(32), HEARTBEAT_INTERVAL_INF))
        state.acknowledge_node_heartbeat(node, HEARTBEAT_INTERVAL_INF)
        return node

    def _serve(self, server_app: ServerApp, stop: threading.Event, raised: list[BaseException]) -> None:
        context = Context(run_id=_RUN, node_id=0, node_config={}, state=RecordDict(), run_config={})
        grid = InMemoryGrid(self._states)
        grid.set_run(self._run)
        try:
            server_app(grid, context)
        except BaseException as error:
            raised.append(error)
        finally:
            stop.set()


def _start_ray(workers: int) -> None:
    """Ray on this machine's loopback only, with one core for each process and nothing to look at.

    A second start helps where Ray gave up on a process that was slow to come up: how long it waits cannot be set.
    Raises RoundError where that fails too, or Ray would listen to other machines.
    """
    os.environ.update(_ENVIRONMENT)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex())  # Ray reads it once in a process
    import ray

    for is_last in (False, True):
        try:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            break
        except Exception as error:
            ray.shutdown()
            if is_last:
                raise _ray_failed(error) from error
    if not ip_address(ray.util.get_node_ip_address()).is_loopback:
        ray.shutdown()
        raise _ray_failed("it would listen to other machines")


def _ray_failed(why: object) -> RoundError:
    return RoundError("Ray cannot run the simulation", why=str(why), fix="Use `--engine local`")
