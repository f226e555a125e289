"""Flower's LinkState in this process's memory, with the large parts of messages in files.

It is transport state: nothing of it is needed after a restart. A node's id follows from its key, so that a device
that was connected goes on with the same one.
"""

import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Any

from flwr.common.constant import NOOP_FLWR_AID
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore

from shared_models.files import storage_errors

_IN_MEMORY_BYTES = 64 << 10
_NODE_ID_BYTES = 8
log = logging.getLogger(__name__)


class ObjectFiles(InMemoryObjectStore):
    """Parts of messages. A cohort's updates would fill the memory: what is large lies in `folder` meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Empties `folder`. Raises StorageError where it cannot be used."""
        super().__init__()
        self._folder = folder
        with storage_errors(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            for left in folder.iterdir():
                left.unlink()

    def put(self, object_id: str, object_content: bytes) -> None:
        super().put(object_id, object_content)
        if len(object_content) > _IN_MEMORY_BYTES:
            self._move_to_disk(object_id, object_content)

    def get(self, object_id: str) -> bytes | None:
        with self.lock_store:
            entry = self.store.get(object_id)
            if entry is None or entry.content or not entry.is_available:
                return super().get(object_id)
            return (self._folder / object_id).read_bytes()

    def delete(self, object_id: str) -> None:
        with self.lock_store:
            known = object_id in self.store  # else it is whatever a device wrote
            super().delete(object_id)
            if known and object_id not in self.store:
                (self._folder / object_id).unlink(missing_ok=True)

    def _move_to_disk(self, object_id: str, content: bytes) -> None:
        """Where the disk is full it stays in memory: a round waits for room by itself."""
        path = self._folder / object_id
        try:
            path.write_bytes(content)
        except OSError as error:
            log.warning("a part of a message stays in memory: %s", error.strerror)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return
        with self.lock_store:
            if object_id in self.store:
                self.store[object_id].content = b""
            else:  # its round ended meanwhile
                path.unlink(missing_ok=True)


class LinkState(InMemoryLinkState):
    """Flower's, without the tokens and bundles that its own programs need, and with what its handlers do not tell."""

    def start_run(self) -> int:
        """The id of a run that goes on until `stop_run`. Nobody outside this process has a token for it."""
        run_id: int = self.create_run(
            None, None, None, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP
        )
        task_id = self.run_ids[run_id].run.primary_task_id
        token = self.claim_task(task_id)
        self.activate_task(task_id)
        with self.lock_task_store:  # or the run would end where no heartbeat came with it
            del self.task_token_store[task_id], self.task_token_to_task_id[token]
        return run_id

    def create_node(
        self, owner_aid: str, owner_name: str, public_key: bytes, heartbeat_interval: float, **more: Any
    ) -> int:
        """As Flower's, but for the id. Raises ValueError where another key has the same one."""
        node_id = node_id_of(public_key)
        with self.lock:
            if node_id in self.nodes:
                raise ValueError("two keys have the same node id")
            drawn = super().create_node(owner_aid, owner_name, public_key, heartbeat_interval, **more)
            node = self.nodes.pop(drawn)
            node.node_id = node_id
            self.nodes[node_id] = node
            self.node_public_key_to_node_id[public_key] = node_id
            self.owner_to_node_ids[owner_aid] ^= {drawn, node_id}
        return node_id

    def has_task(self, node_id: int) -> bool:
        """Whether a task waits for this node."""
        with self.lock:
            heads = [message.metadata for message in self.message_ins_store.values()]
        return any(head.dst_node_id == node_id and not head.delivered_at for head in heads)

    def reply_to(self, task_id: str) -> str | None:
        """The id of the reply that was taken for this task; None where none was."""
        reply: str | None = self.message_ins_id_to_message_res_id.get(task_id)
        return reply


def node_id_of(public_key: bytes) -> int:
    """An unsigned number of 64 bits, as Flower's are; `public_key` as Flower writes it."""
    return int.from_bytes(hashlib.sha256(b"attune node " + public_key).digest()[:_NODE_ID_BYTES], "big")
