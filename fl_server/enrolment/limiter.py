"""How often one address may be refused: whoever guesses is not answered any more for a while."""

import ipaddress
import threading
import time
from collections import OrderedDict

_MOST_REFUSALS = 30
_WINDOW_SECONDS = 600.0
_MOST_ADDRESSES = 10_000
_IPV6_SITE = 64  # one household or lab has a whole /64 to choose addresses from


class RefusalLimit:
    """Refusals by address, in memory, of at most so many addresses: the one that is longest ago is forgotten first."""

    def __init__(self, most: int = _MOST_REFUSALS, addresses: int = _MOST_ADDRESSES) -> None:
        self._most, self._addresses = most, addresses
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def is_shut_out(self, peer: str) -> bool:
        """Whether `peer`, as gRPC names it, was refused too often in the last ten minutes."""
        with self._lock:
            return self._count(_address(peer)) >= self._most

    def refused(self, peer: str) -> bool:
        """Notes one refusal; True for the one from which on the address is shut out."""
        address = _address(peer)
        with self._lock:
            count = self._count(address) + 1
            began = self._seen[address][0] if count > 1 else time.monotonic()
            self._seen[address] = (began, count)
            self._seen.move_to_end(address)
            if len(self._seen) > self._addresses:
                self._seen.popitem(last=False)
        return count == self._most

    def _count(self, address: str) -> int:
        began, count = self._seen.get(address, (0.0, 0))
        return count if count and time.monotonic() - began < _WINDOW_SECONDS else 0


def _address(peer: str) -> str:
    """The address in gRPC's `ipv4:192.0.2.1:4433` or `ipv6:%5B2001:db8::1%5D:4433`."""
    family, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
    if family != "ipv6":
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], _IPV6_SITE), strict=False))
    except ValueError:
        return host
