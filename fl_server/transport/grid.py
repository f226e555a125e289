"""Flower's Grid on the loopback listener, as the rounds use it."""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
from flwr.app import Error, Message, MessageType, Metadata
from flwr.app.message import make_message
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.common.serde import metadata_from_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, inflate_object_from_contents, pull_objects
from flwr.superlink.grid import HttpGrid

from fl_server.transport.credentials import WithHeader
from fl_server.transport.fleet_calls import MAX_REPLY_OBJECTS
from fl_server.transport.handouts import Handouts
from shared_models.errors import RoundError

_UNREADABLE = 1
_REPLIES_AT_A_TIME = 4  # each is as large as the trained part, and a whole cohort answers within a second
log = logging.getLogger(__name__)


class LoopbackGrid(HttpGrid):
    """Flower's Grid, except that one device's reply never holds up or breaks those of the others.

    Flower's own waits up to two hours for the parts of a reply, fails as a whole where one cannot be read, and believes
    what a reply says inside about the task that it answers. Where Flower's database or listener does not do what is
    asked, each call here raises RoundError.
    """

    def __init__(self, address: str, token: str, pass_: WithHeader, handouts: Handouts) -> None:
        """`pass_` opens the loopback listener; `handouts` knows the tasks that devices lost."""
        super().__init__(address, True, token=token)
        self._pass, self._handouts = pass_, handouts
        self._arriving: dict[str, tuple[MessageProto, ObjectTree]] = {}

    def _connect(self) -> None:
        super()._connect()
        client = self._runtime_client
        client._interceptors = (*client._interceptors, self._pass)

    def get_nodes(self) -> Any:
        with _round_errors():
            return super().get_nodes()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        with _round_errors():
            return super().push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Replies that are complete, a few at a time: what is left comes with the next call.

        One that cannot be read is an Error with the reason `unreadable`. A task that its device lost is answered as if
        the device had gone offline with it.
        """
        with _round_errors():
            return self._pull(set(message_ids))

    def _pull(self, tasks: set[str]) -> list[Message]:
        ended = tasks & self._handouts.ended()  # before the replies: what was sent before that is among them
        request = PullAppMessagesRequest(message_ids=tasks - self._arriving.keys())
        response = self._runtime_client.PullMessages(request)
        heads = zip(response.messages_list, response.message_object_trees, strict=True)
        self._arriving |= {head.metadata.reply_to_message_id: (head, tree) for head, tree in heads}
        lost = ended - self._arriving.keys()
        replies: list[Message] = []
        for task in [task for task in self._arriving if task in tasks]:
            reply = self._read(*self._arriving[task])
            if reply is not None:
                replies.append(reply)
            elif task in ended:
                lost.add(task)
            if len(replies) == _REPLIES_AT_A_TIME:
                break
        done = lost | {reply.metadata.reply_to_message_id for reply in replies}
        self._arriving = {task: parts for task, parts in self._arriving.items() if task not in done}
        return [*replies, *map(self._lost, lost)]

    def _lost(self, task: str) -> Message:
        head = Metadata(
            run_id=self.run.run_id,
            message_id="",
            src_node_id=SUPERLINK_NODE_ID,
            dst_node_id=SUPERLINK_NODE_ID,
            reply_to_message_id=task,
            group_id="",
            message_type=MessageType.TRAIN,
            created_at=time.time(),
            ttl=0.0,
        )
        return make_message(head, error=Error(ErrorCode.NODE_UNAVAILABLE, "the device lost the task"))

    def _read(self, head: MessageProto, tree: ObjectTree) -> Message | None:
        """The reply with this head, the only part that Flower has checked; None while other parts are missing."""
        run_id, message_id = head.metadata.run_id, head.metadata.message_id
        names = [part.object_id for part in itertools.islice(iterate_object_tree(tree), MAX_REPLY_OBJECTS)]
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


@contextmanager
def _round_errors() -> Iterator[None]:
    """A round can be gone on with later: its nonces and what it accepted are on the disk."""
    try:
        yield
    except httpx.HTTPError as error:
        log.warning("Flower's transport: %s", type(error).__name__)
        raise RoundError(
            "Flower's transport did not do what a round asks of it",
            why="its database is busy, or this machine was so slow that a task expired before it was sent",
            fix="Nothing to do: the server tries again by itself",
        ) from error
