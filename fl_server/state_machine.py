"""The states that a federation's server goes through, and the only steps between them.

    waiting -> sampling -> collecting -> aggregating -> evaluating -> checkpointed -> waiting
                               |
                               `-> failed -> waiting       fewer updates than a round counts with: the model stays

From any of them to `paused`, where the disk, a database or the clock does not allow a round; and to `stopped`. Both go
on to `collecting` where a round is open, else to `waiting`.
"""

import os
import time
from collections.abc import Callable, Mapping

from fl_server.phase import Phase, State

_STEPS: Mapping[State, frozenset[State]] = {
    "waiting": frozenset({"sampling"}),
    "sampling": frozenset({"collecting"}),
    "collecting": frozenset({"aggregating", "failed"}),
    "aggregating": frozenset({"evaluating"}),
    "evaluating": frozenset({"checkpointed"}),
    "checkpointed": frozenset({"waiting"}),
    "failed": frozenset({"waiting"}),
    "paused": frozenset({"waiting", "collecting"}),
    "stopped": frozenset({"waiting", "collecting"}),
}
_FROM_ANYWHERE: frozenset[State] = frozenset({"paused", "stopped"})


class StateMachine:
    """Holds the present state and tells `observe` of each change."""

    def __init__(self, observe: Callable[[Phase], None]) -> None:
        self._observe = observe
        self.phase = Phase(state="stopped", round=0, since=time.time(), pid=os.getpid())

    def enter(self, state: State, *, lasts: float | None = None, why: str = "", **counts: int) -> None:
        """Goes to `state`, which ends after `lasts` seconds at the latest; counts that are not given stay.

        Raises ValueError for a step that does not exist.
        """
        if state not in _STEPS[self.phase.state] | _FROM_ANYWHERE:
            raise ValueError(f"there is no step from {self.phase.state} to {state}")
        now = time.time()
        changed = {"state": state, "since": now, "deadline": None if lasts is None else now + lasts, "why": why}
        self._show(self.phase.model_copy(update=changed | counts))

    def sees(self, online: int) -> None:
        """How many devices that may take part are online."""
        self._show(self.phase.model_copy(update={"online": online}))

    def count(self, accepted: int, rejected: Mapping[str, int]) -> None:
        """What the round in progress has come to so far."""
        self._show(self.phase.model_copy(update={"accepted": accepted, "rejected": dict(rejected)}))

    def _show(self, phase: Phase) -> None:
        if phase != self.phase:
            self.phase = phase
            self._observe(phase)
