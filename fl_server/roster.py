"""The devices that may take part now. They come and go in other threads than that of the rounds."""

import threading
from collections.abc import Iterable

from fl_server.enrolment.registry import Device
from fl_server.transport import Transport


class Roster:
    """Who is let in at the fleet port, by node id."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self._lock = transport, threading.Lock()
        self._nodes: dict[int, Device] = {}

    def admit(self, devices: Iterable[Device]) -> None:
        """Lets these devices in; they can be asked from now on."""
        by_key = {device.node_key: device for device in devices}
        nodes = self._transport.admit({key: device.pseudonym for key, device in by_key.items()})
        with self._lock:
            self._nodes |= {node: by_key[key] for node, key in nodes.items()}

    def revoke(self, devices: Iterable[Device]) -> None:
        """These devices are strangers from now on; a round that asked them waits for them no longer."""
        keys = {device.node_key for device in devices}
        self._transport.revoke(keys)
        with self._lock:
            self._nodes = {node: device for node, device in self._nodes.items() if device.node_key not in keys}

    def devices(self) -> dict[int, Device]:
        with self._lock:
            return dict(self._nodes)
