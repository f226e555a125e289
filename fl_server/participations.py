"""Who took part in which round, read off the server's ledger as it grows."""

from collections import Counter

from shared_models.privacy.events import RoundClosed
from shared_models.privacy.ledger import Ledger


class Participations:
    """Counts every round that was closed with a device's update, also one that became void: its debit stands."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._read = ledger, 0
        self._count = Counter[str]()
        self._last_round: dict[str, int] = {}
        self._last_entry: dict[str, str] = {}

    def count(self) -> Counter[str]:
        """How often each device's update was used, by pseudonym."""
        self._catch_up()
        return self._count

    def last_round(self, device: str) -> int | None:
        """The last round with an update of `device`; None where there is none."""
        self._catch_up()
        return self._last_round.get(device)

    def last_entry(self, device: str) -> str:
        """The hash of the last entry of the device's ledger that was used; empty where there is none."""
        self._catch_up()
        return self._last_entry.get(device, "")

    def _catch_up(self) -> None:
        for entry in self._ledger.entries[self._read :]:
            if isinstance(entry.body, RoundClosed):
                self._count.update(entry.body.debits.keys())
                self._last_entry.update(entry.body.debits)
                self._last_round.update(dict.fromkeys(entry.body.debits, entry.body.round))
        self._read = len(self._ledger.entries)
