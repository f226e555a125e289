"""Attacks on Flower's other interfaces, which run code that they are sent: none of them is there, whoever asks."""

import httpx
import pytest
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab, GetFabRequest
from flwr.proto.fleet_pb2 import RegisterNodeFleetRequest
from flwr.proto.message_pb2 import PushObjectRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullAppMessagesRequest, PushTaskOutputRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.fleet_http_client import FleetHttpClient

CALLS = [
    (ControlHttpClient, "StartRun", StartRunRequest(fab=Fab(hash_str="0" * 64, content=b""))),
    (FleetHttpClient, "RegisterNode", RegisterNodeFleetRequest(public_key=b"x")),
    (FleetHttpClient, "GetFab", GetFabRequest(hash_str="0" * 64)),
    (RuntimeHttpClient, "AcquireTask", AcquireTaskRequest(supported_task_types=["flwr-serverapp"])),
    (RuntimeHttpClient, "PullMessages", PullAppMessagesRequest()),
    (RuntimeHttpClient, "PushTaskOutput", PushTaskOutputRequest(sub_status="completed")),
    (RuntimeHttpClient, "PushObject", PushObjectRequest(object_id="0" * 64)),
]


@pytest.fixture
def status(fleet):
    """`status(call, *interceptors)`: what the loopback listener answers to a client of Flower's."""

    def status(call, *interceptors):
        kind, name, request = call
        with kind.from_server_address(fleet.loopback_address, True, None, list(interceptors)) as client:
            try:
                getattr(client, name)(request)
            except httpx.HTTPStatusError as error:
                return error.response.status_code
            return 200

    return status


def test_the_listener_is_on_this_machine_only(fleet):
    assert fleet.transport._loopback.getsockname()[0] == "127.0.0.1"
    assert fleet.loopback_address != fleet.address


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[1])
def test_no_interface_of_flower_s_is_there_with_a_token_or_without(status, call):
    assert status(call) == status(call, RuntimeTokenHttpInterceptor("guess")) == 404


def test_there_is_no_token_to_steal(fleet):
    """A run goes on without one, in memory and on the disk."""
    state = fleet.transport._state
    assert fleet.grid.get_node_ids() is not None
    assert (state.task_token_store, state.task_token_to_task_id) == ({}, {})
    assert list(fleet.folder.transport.iterdir()) == []


def test_a_page_whose_name_was_pointed_at_this_machine_gets_nothing(fleet):
    url = f"http://{fleet.loopback_address}/"
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example:80", ""):
        assert httpx.get(url, headers={"host": host}).status_code == 421
    for host in (fleet.loopback_address, fleet.loopback_address.replace("127.0.0.1", "localhost")):
        assert httpx.get(url, headers={"host": host}).status_code == 404
