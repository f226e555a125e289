"""How much one sender, and all of them together, may ask of the server."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_MOST_NAMES = 10_000
_BURST_SECONDS = 5.0
_BODY_BYTES = 48 << 20


@dataclass(frozen=True)
class Limits:
    """See docs/settings.md, section [server]."""

    requests_per_second: float = 20.0
    """of one device; five seconds' worth may come at once"""
    refusals_per_minute: float = 120.0
    """to one address, for requests whose sender is not known; others behind that address are not touched"""
    body_seconds: float = 60.0
    max_connections: int = 2000
    """open at once, unfinished ones included; one address may hold half of them"""


class TokenBuckets:
    """A bucket for each name that fills at `rate` a second up to `burst`; in bounded memory.

    What is kept of a bucket is the time at which it will be full again (the generic cell rate algorithm).
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._slack, self._clock = rate, (burst - 1) / rate, clock
        self._full_at: OrderedDict[bytes | str, float] = OrderedDict()

    @classmethod
    def for_devices(cls, limits: Limits) -> "TokenBuckets":
        return cls(limits.requests_per_second, max(1.0, _BURST_SECONDS * limits.requests_per_second))

    @classmethod
    def for_strangers(cls, limits: Limits) -> "TokenBuckets":
        return cls(limits.refusals_per_minute / 60, max(1.0, limits.refusals_per_minute))

    def take(self, name: bytes | str) -> float:
        """Takes a token and gives 0, or gives the seconds until there will be one."""
        now = self._clock()
        full_at = max(now, self._full_at.get(name, now))
        wait = full_at - now - self._slack
        if wait > 0:
            return wait
        self._full_at[name] = full_at + 1 / self._rate
        self._full_at.move_to_end(name)
        if len(self._full_at) > _MOST_NAMES:
            self._full_at.popitem(last=False)
        return 0.0


class BodyMemory:
    """What the bodies that are being read or worked on may hold of memory: all together, and those of one device."""

    def __init__(self, max_body: int) -> None:
        self._each, self._all = 2 * max_body, max(_BODY_BYTES, 2 * max_body)
        self._held: Counter[bytes] = Counter()

    @contextmanager
    def hold(self, name: bytes, size: int) -> Iterator[bool]:
        """Whether there is room for `size` more bytes of the device `name`, which are held until the block ends."""
        if self._held[name] + size > self._each or self._held.total() + size > self._all:
            yield False
            return
        self._held[name] += size
        try:
            yield True
        finally:
            self._held[name] -= size
            if not self._held[name]:
                del self._held[name]
