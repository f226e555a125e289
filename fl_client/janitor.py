"""The worker that keeps the promise of how long anything is stored."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

from fl_client.store import Store

_HOUR_SECONDS = 3600.0
_USUAL_DAYS_AHEAD = 1  # past midnight, before the next sweep
log = logging.getLogger(__name__)


class Janitor:
    """Deletes what is too old, at the start and every hour. An expiry is no event of the ledger: it would tell the
    server how old what is stored here was."""

    name = "janitor"

    def __init__(self, store: Store, keep_days: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store, self._keep_days, self._now = store, keep_days, now

    def run(self, stop: Event) -> None:
        """Works until `stop`. Raises StorageError where the disk is full, KeyStoreError where the vault is locked."""
        while not stop.is_set():
            self.sweep()
            stop.wait(_HOUR_SECONDS)

    def sweep(self) -> None:
        swept = self._store.sweep(self._keep_days, self._now())
        if swept.deleted:
            log.info("deleted %d sequences that were kept for more than %d days", swept.deleted, self._keep_days)
        if swept.days_ahead > _USUAL_DAYS_AHEAD:
            log.warning(
                "the date is %d days ahead of the store's, which follows it a day an hour; if it is wrong, correct it"
                " before what is stored grows too old",
                swept.days_ahead,
            )
