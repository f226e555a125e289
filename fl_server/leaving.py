"""A server that is told to stop is gone within five seconds, whatever it was doing."""

import logging
import os
import threading
from collections.abc import Callable

_PATIENCE_SECONDS = 4.0
log = logging.getLogger(__name__)


def leave_soon(stop: Callable[[], None]) -> None:
    """Calls `stop`, and ends the process where it has not ended by itself after four seconds.

    A round that is cut off goes on at the next start: all that counts is on the disk at any moment.
    """
    stop()
    timer = threading.Timer(_PATIENCE_SECONDS, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    log.warning("the work at hand did not end in time; the next start finishes it")
    os._exit(0)
