"""What is worth keeping while there is room."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values by key, of at most `limit` bytes in all; what was used longest ago goes first."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keeps `value`, which is not kept yet, and forgets others as its `size` in bytes asks for."""
        self._values[key] = value, size
        self._free -= size
        while self._free < 0:
            _, (_, freed) = self._values.popitem(last=False)
            self._free += freed
