"""The eight calls of Flower's Fleet API that our node makes, answered by Flower's own handlers.

The handlers are called in process: of Flower's web application nothing is between the public listener and them.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any

from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    ActivateNodeResponse,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    PushMessagesResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree, PullObjectRequest, PushObjectRequest
from flwr.supercore.error import FlowerError
from flwr.supercore.error.catalog import API_ERROR_MAP
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.superlink.servicer.fleet import fleet_handlers
from google.protobuf.message import DecodeError, Message

from fl_server.listeners.authentication import Device
from fl_server.listeners.fleet import Call, Refused
from fl_server.transport.handouts import Handouts
from fl_server.transport.link_state import LinkState

MAX_REPLY_OBJECTS = 100
_LARGE_BYTES = 64 << 10
_KEPT_BYTES = 64 << 20
Handler = Callable[[Any, Device], Message]


class FleetCall:
    """A call whose request has the type `request_type`, is checked by `check`, and answered by `handler`."""

    def __init__(self, request_type: type[Message], handler: Handler, check: Callable[[Any, Device], None]) -> None:
        self._request_type, self._handler, self._check = request_type, handler, check

    def parse(self, body: bytes) -> Message:
        try:
            return self._request_type.FromString(body)
        except DecodeError as error:
            raise Refused(400, "malformed") from error

    def check(self, request: Any, device: Device) -> None:
        self._check(request, device)

    def answer(self, request: Any, device: Device) -> bytes:
        try:
            return self._handler(request, device).SerializeToString()
        except FlowerError as error:  # its text names nodes and keys
            raise Refused(API_ERROR_MAP[error.code].http_status_code, f"flower_{error.code}") from error
        except KeyError as error:  # what Flower raises for a run that is over and forgotten
            raise Refused(403, "no_such_run") from error


class PullObject(FleetCall):
    """Parts of messages. The large ones are the model that a whole cohort fetches: read once, kept for the others."""

    def __init__(self, state: Any) -> None:
        super().__init__(
            PullObjectRequest, lambda request, device: fleet_handlers.pull_object(request, state), _own_node
        )
        self._kept: dict[tuple[int, str], bytes] = {}

    def answer(self, request: Any, device: Device) -> bytes:
        name = request.run_id, request.object_id
        kept = self._kept.get(name)
        if kept is not None:
            return kept
        answer = super().answer(request, device)
        if len(answer) > _LARGE_BYTES:
            if sum(map(len, list(self._kept.values()))) > _KEPT_BYTES:
                self._kept.clear()
            self._kept[name] = answer
        return answer


def fleet_calls(state: LinkState, handouts: Handouts, late: Callable[[str, Device], None]) -> dict[str, Call]:
    """The calls by path, on Flower's LinkState.

    `handouts` hears of each task that is asked for and handed out, `late` of replies that came too late or twice.
    """
    handlers = fleet_handlers

    def activate_node(request: ActivateNodeRequest, device: Device) -> ActivateNodeResponse:
        """A device that crashed is let back in at once, where Flower would have it wait until its last connection is
        missed, for up to two heartbeats. One device runs one node: whatever connection it had is over."""
        state.deactivate_node(device.node_id)
        return handlers.activate_node(request, state)

    def pull_messages(request: PullMessagesRequest, device: Device) -> PullMessagesResponse:
        handouts.asks(device.node_id)
        if not state.has_task(device.node_id):  # nearly always; Flower would look through every task of the cohort
            return PullMessagesResponse()
        response = handlers.pull_messages(request, state, state.object_store)
        for task in response.messages_list:
            handouts.given(device.node_id, task.metadata.message_id)
        return response

    def push_messages(request: PushMessagesRequest, device: Device) -> PushMessagesResponse:
        head = request.messages_list[0].metadata
        response = handlers.push_messages(request, state)
        taken = state.reply_to(head.reply_to_message_id)
        if taken != head.message_id:  # Flower answers as if it had been taken
            late("too_late" if taken is None else "second_reply", device)
        return response

    def on_state(handler: Callable[[Any, Any], Message]) -> Handler:
        return lambda request, device: handler(request, state)

    calls: dict[str, Call] = {
        "activate-node": FleetCall(ActivateNodeRequest, activate_node, _own_key),
        "deactivate-node": FleetCall(DeactivateNodeRequest, on_state(handlers.deactivate_node), _own_id),
        "send-node-heartbeat": FleetCall(SendNodeHeartbeatRequest, on_state(handlers.send_node_heartbeat), _own_node),
        "pull-messages": FleetCall(PullMessagesRequest, pull_messages, _own_node),
        "push-messages": FleetCall(PushMessagesRequest, push_messages, _own_reply),
        "pull-object": PullObject(state),
        "push-object": FleetCall(PushObjectRequest, on_state(handlers.push_object), _own_node),
        "confirm-message-received": FleetCall(
            ConfirmMessageReceivedRequest,
            lambda request, device: handlers.confirm_message_received(request, state, state.object_store),
            _own_node,
        ),
    }
    return {f"/v1/fleet/{name}": call for name, call in calls.items()}


def _own_key(request: ActivateNodeRequest, device: Device) -> None:
    _require(request.public_key == device.key)


def _own_id(request: DeactivateNodeRequest, device: Device) -> None:
    _require(request.node_id == device.node_id)


def _own_node(request: Any, device: Device) -> None:
    _require(request.node.node_id == device.node_id)


def _own_reply(request: PushMessagesRequest, device: Device) -> None:
    """One reply, from this device. Flower takes a message that answers nothing for a task to another device, and
    believes what a message says of its sender."""
    _own_node(request, device)
    if len(request.messages_list) != 1 or len(request.message_object_trees) != 1:
        raise Refused(400, "malformed")
    [head], [tree] = request.messages_list, request.message_object_trees
    _require(head.metadata.src_node_id == device.node_id)
    if not head.metadata.reply_to_message_id or tree.object_id != head.metadata.message_id or _is_too_wide(tree):
        raise Refused(400, "malformed")
    if head.HasField("content") == head.HasField("error"):
        raise Refused(400, "malformed")


def _is_too_wide(tree: ObjectTree) -> bool:
    return next(islice(iterate_object_tree(tree), MAX_REPLY_OBJECTS, None), None) is not None


def _require(is_own: bool) -> None:
    if not is_own:
        raise Refused(403, "spoofed")
