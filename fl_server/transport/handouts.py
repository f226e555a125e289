"""Which tasks devices no longer work on, though Flower still waits for their replies."""

import threading


class Handouts:
    """The task that each node has. A device works on one at a time: whoever asks for a task has none any more.

    So the one before is answered, or lost: its device was killed and is back, or the line broke while it was handed
    out. Flower hands out nothing twice, and does not see that a device was gone that comes back within a minute.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, str] = {}
        self._ended: dict[int, str] = {}

    def asks(self, node_id: int) -> None:
        with self._lock:
            if node_id in self._held:
                self._ended[node_id] = self._held.pop(node_id)

    def given(self, node_id: int, task_id: str) -> None:
        with self._lock:
            self._held[node_id] = task_id

    def ended(self) -> set[str]:
        """The last task of each node that it no longer works on. One to which no whole reply came before is lost."""
        with self._lock:
            return set(self._ended.values())
