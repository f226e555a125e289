"""Notices devices that `fl-server devices remove` took out beside a running server."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from fl_server.enrolment.registry import Device, Registry

_SECONDS = 1.0
log = logging.getLogger(__name__)


class DepartureWatch:
    """For as long as a `with` block lasts, `revoke` is told of every device that has left since it began."""

    def __init__(self, registry: Registry, revoke: Callable[[Iterable[Device]], None]) -> None:
        self._registry, self._revoke = registry, revoke
        self._known = {device.pseudonym for device in self._left()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="departures", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with self._registry.watched() as changes:
            seen = -1  # so that what happened before this thread ran is looked at too
            while not self._stop.wait(_SECONDS):
                try:
                    now = changes()
                    if now != seen:
                        self._tell()
                        seen = now
                except sqlite3.Error as error:
                    log.warning("the register of enrolments cannot be read: %s", error)

    def _tell(self) -> None:
        gone = [device for device in self._left() if device.pseudonym not in self._known]
        if gone:
            self._revoke(gone)
            self._known |= {device.pseudonym for device in gone}
            for device in gone:
                log.info("device %s is not let in any more", device.pseudonym)

    def _left(self) -> list[Device]:
        return [member.device for member in self._registry.members() if member.left is not None]
