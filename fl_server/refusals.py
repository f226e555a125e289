"""What the listeners turned away, by reason, since the server started. It counts requests and names nobody."""

import json
import logging
import threading
from collections import Counter
from types import TracebackType
from typing import Self

from fl_server.folder import FederationFolder
from shared_models.errors import StorageError
from shared_models.files import atomic_write

REASONS = {
    "path": "a call that devices do not make",
    "key": "no key, or that of no enrolled device",
    "rate": "more requests than an address or a key may make",
    "too_large": "a body over the limit, refused unread",
    "slow": "a body that came too slowly",
    "spoofed": "an answer in the name of another device",
    "late": "an answer after its task's deadline",
    "version": "a device with another version of the wire format",
    "invitation": "an invitation that is used, expired or guessed",
    "other": "anything else",
}
"""Every reason there is, with its meaning. What is not among them counts as `other`: a sender chooses no names here."""

_FLUSH_SECONDS = 1.0
log = logging.getLogger(__name__)


class Refusals:
    """A counter for several threads that keeps `refusals.json` up to date, off the thread that counts."""

    def __init__(self, folder: FederationFolder) -> None:
        """Begins at zero. Raises StorageError where the file cannot be written."""
        self._path, self._counts = folder.refusals, Counter[str]()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def count(self, reason: str) -> None:
        """One more refusal. The file follows within a second, and is written at most once in that time."""
        with self._lock:
            self._counts[reason if reason in REASONS else "other"] += 1
            if self._timer is None:
                self._timer = threading.Timer(_FLUSH_SECONDS, self._flush)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Writes what has been counted."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self._flush()

    def _flush(self) -> None:
        try:
            self._write()
        except StorageError:
            log.warning("the refusals could not be written")

    def _write(self) -> None:
        with self._lock:
            self._timer = None
            atomic_write(self._path, json.dumps(self._counts).encode())

    @staticmethod
    def read(folder: FederationFolder) -> dict[str, int]:
        """The counts by reason, the largest first; empty where no server has run or the file is damaged."""
        try:
            counts = json.loads(folder.refusals.read_bytes())
            known = {reason: int(counts[reason]) for reason in REASONS if counts.get(reason)}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
        return dict(sorted(known.items(), key=lambda item: -item[1]))
