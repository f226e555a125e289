"""Attacks on Flower's other interfaces: from outside, from another program on the machine, and with a stolen token."""

import sqlite3

import httpx
import pytest
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.fleet_pb2 import RegisterNodeFleetRequest
from flwr.proto.message_pb2 import PushObjectRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullAppMessagesRequest, PushTaskOutputRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from fl_client.home import Identity
from fl_server.listeners.loopback import SECRET_HEADER
from fl_server.transport.credentials import WithHeader

START_RUN = (ControlHttpClient, "StartRun", StartRunRequest(fab=Fab(hash_str="0" * 64, content=b"")))
ACQUIRE = (RuntimeHttpClient, "AcquireTask", AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
WITH_A_TOKEN = [
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


@pytest.fixture
def stolen_token(fleet):
    """The token of the run in progress lies in Flower's database in clear."""
    with sqlite3.connect(fleet.folder.transport) as database:
        [(token,)] = database.execute("SELECT token FROM task WHERE token IS NOT NULL").fetchall()
    return RuntimeTokenHttpInterceptor(token)


def our_secret(fleet):
    return fleet.transport._pass


def test_the_listener_is_on_this_machine_only(fleet):
    assert fleet.transport._loopback.getsockname()[0] == "127.0.0.1"
    assert fleet.loopback_address != fleet.address


def test_without_this_process_s_secret_no_interface_of_flower_s_is_there(status, stolen_token):
    guess = WithHeader(SECRET_HEADER, "guess")
    key = Identity.generate().node
    register = (FleetHttpClient, "RegisterNode", RegisterNodeFleetRequest(public_key=b"x"))
    signed = NodeAuthHttpInterceptor(key, key.public_key())
    for interceptors in ([], [guess]):
        assert status(START_RUN, *interceptors) == 403
        assert status(ACQUIRE, *interceptors) == 403
        assert status(register, signed, *interceptors) == 403
        for call in WITH_A_TOKEN:
            assert status(call, stolen_token, *interceptors) == 403


def test_the_secret_alone_starts_no_run_and_claims_no_task(fleet, status):
    forged = SuperExecAuthHttpInterceptor(
        master_secret=bytes(64), protected_methods=frozenset({"/flwr.proto.Runtime/AcquireTask"})
    )
    bearer = WithHeader("Authorization", "Bearer guess")
    assert status(START_RUN, our_secret(fleet)) == status(START_RUN, our_secret(fleet), bearer) == 401
    assert status(ACQUIRE, our_secret(fleet)) in (401, 403)
    assert status(ACQUIRE, our_secret(fleet), forged) in (401, 403)
    for call in WITH_A_TOKEN:
        assert status(call, our_secret(fleet)) in (401, 403)


def test_nobody_registers_a_node_not_even_with_the_secret(fleet, status):
    key = Identity.generate().node
    request = RegisterNodeFleetRequest(public_key=public_key_to_bytes(key.public_key()))
    signed = NodeAuthHttpInterceptor(key, key.public_key())
    assert status((FleetHttpClient, "RegisterNode", request), our_secret(fleet), signed) == 412


def test_a_page_whose_name_was_pointed_at_this_machine_gets_nothing(fleet):
    url = f"http://{fleet.loopback_address}/"
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example:80", ""):
        assert httpx.get(url, headers={"host": host}).status_code == 421
    for host in (fleet.loopback_address, fleet.loopback_address.replace("127.0.0.1", "localhost")):
        assert httpx.get(url, headers={"host": host}).status_code == 404


def test_a_token_is_stolen_at_all(fleet, status, stolen_token):
    """With the secret it opens something: the refusals above are about the secret."""
    assert status(WITH_A_TOKEN[0], our_secret(fleet), stolen_token) == 200
