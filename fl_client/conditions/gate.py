"""All conditions together: may this device train now?"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from fl_client.clocks import steady
from fl_client.conditions.condition import Condition
from fl_client.conditions.consent import consented
from fl_client.conditions.hours import in_hours
from fl_client.conditions.idle import unused
from fl_client.conditions.load import others_idle
from fl_client.conditions.power import on_mains
from fl_client.conditions.temperature import cool
from fl_client.consent import ConsentBook
from fl_client.settings import TrainingSettings

_FRESH_SECONDS = 0.5
log = logging.getLogger(__name__)


class HeldUp(Exception):  # noqa: N818 - no error
    """Training has to stop now and may be taken up again later; the text says why, in a student's words."""


class Gate:
    """Open while no condition holds training up. What cannot be read holds nothing up."""

    def __init__(self, conditions: Sequence[Condition[Any]], now: Callable[[], float] = steady) -> None:
        """conditions: the cheapest to read first, since none is read behind one that holds training up"""
        self._conditions, self._now = conditions, now
        self._looked = float("-inf")
        self._unknown: frozenset[str] = frozenset()  # replaced and never changed: other threads read it

    @property
    def unknown(self) -> list[str]:
        """What this computer did not tell when it was last asked, in words."""
        return sorted(self._unknown)

    def obstacle(self) -> str:
        """Why training has to wait now, as what follows "waits: "; empty where it need not.

        Raises ConsentError where the record of consent cannot be read.
        """
        self._looked = self._now()
        return next(filter(None, map(self._hindrance, self._conditions)), "")

    def look_up(self) -> None:
        """For whoever trains, between two pieces of work: raises HeldUp where it has to stop. Looks twice a second."""
        if self._now() - self._looked < _FRESH_SECONDS:
            return
        if obstacle := self.obstacle():
            raise HeldUp(obstacle)

    def _hindrance(self, condition: Condition[Any]) -> str:
        reading = condition.read()
        if reading is not None:
            self._unknown -= {condition.reads}
            return condition.judge(reading)
        if condition.reads not in self._unknown:
            log.info("this computer does not tell %s: training does not wait for that", condition.reads)
            self._unknown |= {condition.reads}
        return ""


def gate_of(settings: TrainingSettings, book: ConsentBook, policy_hash: str) -> Gate:
    """What the student's consent and settings ask for."""
    conditions: list[Condition[Any]] = [consented(book, policy_hash), in_hours(settings.hours)]
    if settings.mains_only:
        conditions.append(on_mains())
    conditions += [others_idle(settings.max_cpu_percent), cool(settings.max_celsius)]
    if settings.idle_seconds:
        conditions.append(unused(settings.idle_seconds))
    return Gate(conditions)
