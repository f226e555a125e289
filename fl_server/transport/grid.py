"""Flower's Grid as the rounds use it, on the LinkState of this process."""

import itertools
import logging
import time
from collections.abc import Iterable
from typing import Any, cast

from flwr.app import Error, Message, MessageType, Metadata
from flwr.app.message import make_message, remove_content_from_message
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.common.serde import message_from_proto, message_to_proto, metadata_from_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.proto.task_pb2 import Task
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.superlink.servicer.runtime import runtime_handlers

from fl_server.transport.fleet_calls import MAX_REPLY_OBJECTS
from fl_server.transport.handouts import Handouts
from fl_server.transport.link_state import LinkState

_UNREADABLE = 1
_REPLIES_AT_A_TIME = 4  # each is as large as the trained part, and a whole cohort answers within a second
log = logging.getLogger(__name__)


class InProcessGrid(Grid):
    """One device's reply never holds up or breaks those of the others.

    Flower's own Grid asks over HTTP, waits up to two hours for the parts of a reply, fails as a whole where one cannot
    be read, and believes what a reply says inside about the task that it answers.
    """

    def __init__(self, state: LinkState, run_id: int, handouts: Handouts) -> None:
        """`handouts` knows the tasks that devices lost."""
        self._state, self._run_id, self._handouts = state, run_id, handouts
        self._arriving: dict[str, tuple[MessageProto, ObjectTree]] = {}

    @property
    def run(self) -> Any:
        return self._state.get_run_info(run_ids=[self._run_id])[0]

    def set_run(self, run: Any) -> None:
        raise NotImplementedError("a grid is made for its run")

    def create_message(self, *given: Any, **named: Any) -> Message:
        raise NotImplementedError("Flower has deprecated this: make a Message")

    def send_and_receive(self, *given: Any, **named: Any) -> Iterable[Message]:
        raise NotImplementedError("rounds push and pull, since they do other things meanwhile")

    def get_node_ids(self) -> Iterable[int]:
        node_ids: set[int] = self._state.get_nodes(self._run_id)
        return node_ids

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """The ids of the tasks, in order; an empty one is of a task that Flower did not take."""
        with no_object_id_recompute():
            return [self._push(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Replies that are complete, a few at a time: what is left comes with the next call.

        One that cannot be read is an Error with the reason `unreadable`. A task that its device lost is answered as if
        the device had gone offline with it.
        """
        tasks = set(message_ids)
        ended = tasks & self._handouts.ended()  # before the replies: what was sent before that is among them
        request = PullAppMessagesRequest(message_ids=tasks - self._arriving.keys())
        response = runtime_handlers.pull_messages(request, self._state, Task(run_id=self._run_id))
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

    def _push(self, message: Message) -> str:
        message.metadata.__dict__["_message_id"] = task_id = message.object_id
        head = message_from_proto(message_to_proto(remove_content_from_message(message)))
        session = self._state.start_session(self._run_id)
        taken, missing = self._state.store_message_and_object_tree(head, get_object_tree(message), session)
        parts = get_all_nested_objects(message) if missing else {}
        stored = [self._state.store_object(self._run_id, session, name, parts[name].deflate()) for name in missing]
        return task_id if taken and all(stored) else ""

    def _lost(self, task: str) -> Message:
        head = Metadata(
            run_id=self._run_id,
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
        message_id = head.metadata.message_id
        names = [part.object_id for part in itertools.islice(iterate_object_tree(tree), MAX_REPLY_OBJECTS)]
        contents = {name: self._state.get_object(self._run_id, name) for name in names}
        if not all(contents.values()):
            return None
        self._state.object_store.delete(message_id)
        try:
            reply = cast(Message, inflate_object_from_contents(message_id, contents))
            if reply.metadata.reply_to_message_id == head.metadata.reply_to_message_id:
                return reply
        except Exception as error:  # a device can have written anything
            log.warning("a reply cannot be read: %s", type(error).__name__)
        return make_message(metadata_from_proto(head.metadata), error=Error(_UNREADABLE, "unreadable"))
