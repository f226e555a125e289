"""Serves the page for as long as the program runs, and notes the session's readings meanwhile."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from fl_client.page.app import student_page
from fl_client.page.device import Device
from fl_client.page.door import Door
from fl_client.page.hints import Hints
from fl_client.page.states import by_state
from fl_client.page.timeline import Timeline
from fl_client.settings import PageSettings
from shared_models.errors import AddressError
from shared_models.files import atomic_write

_LOOK_SECONDS = 1.0


class PageServer:
    """A worker of the daemon. Where the page is stands in a file that only its owner can read."""

    name = "page"

    def __init__(
        self,
        device: Device,
        settings: PageSettings,
        address: Path,
        no_hints: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """address: the file that says where the page is; no_hints: the file that `Hints` keeps"""
        self.device, self._settings, self._address, self._clock = device, settings, address, clock
        self.timeline = Timeline()
        self.hints = Hints(self.timeline, no_hints, offered=settings.hints)

    def run(self, stop: threading.Event) -> None:
        """Works until `stop`. Raises AddressError where the port is taken, StorageError where the address cannot be
        kept."""
        with _listener(self._settings.port) as listener:
            origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
            door = Door(lambda rest: atomic_write(self._address, f"{origin}{rest}".encode()))
            app = student_page(self.device, self.timeline, self.hints, door, self._clock)
            server = uvicorn.Server(
                uvicorn.Config(
                    app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
                )
            )
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=self.name, daemon=True)
            door.unlock()
            thread.start()
            try:
                while not stop.wait(_LOOK_SECONDS):
                    self.look()
            finally:
                server.should_exit = True
                thread.join()
                self._address.unlink(missing_ok=True)

    def look(self) -> None:
        """Notes what is read now. With a reader, work is where somebody is read; without one, where frames are."""
        reader, looking = self.device.reader, self.device.is_looking()
        reading = reader.reading() if reader is not None and looking else None
        at_work = looking if reader is None else reading is not None
        self.timeline.observe(self._clock(), at_work, None if reading is None else by_state(reading))


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        if os.name == "posix":  # elsewhere it would let another program take the port as well
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise AddressError(
            f"The page cannot have port {port} on this computer",
            why=error.strerror or str(error),
            fix="Set another port, or 0 for any that is free, as 'port' in [page] of config.toml",
        ) from error
    return listener
