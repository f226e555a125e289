"""This machine's clock: devices sign requests with the time, and ledger entries carry it."""

import time
from collections.abc import Callable

from shared_models.privacy.ledger import Ledger

_TOLERANCE_SECONDS = 5.0  # as much as Flower allows between a device's clock and the server's


class Clock:
    """Watches for jumps between rounds. `notice` hears of one; deadlines do not depend on the time of day."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._offset = time.time() - time.monotonic()

    def check(self, ledger: Ledger) -> None:
        """Raises ClockError while the clock is behind the last entry of `ledger`."""
        offset = time.time() - time.monotonic()
        jumped, self._offset = offset - self._offset, offset
        if abs(jumped) > _TOLERANCE_SECONDS:
            direction = "forward" if jumped > 0 else "back"
            self._notice(
                f"This machine's clock was set {direction} by {abs(jumped):.0f} seconds:"
                " devices whose clocks differ from it by more than five cannot connect"
            )
        ledger.now()
