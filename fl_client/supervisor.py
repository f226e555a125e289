"""Keeps workers going: each in a thread of its own, begun again when it dies of something that may pass."""

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fl_client.clocks import steady
from fl_client.conditions.priority import give_way
from shared_models.errors import (
    AttuneError,
    ConsentError,
    EnrolmentError,
    KeyStoreError,
    LedgerError,
    PolicyError,
    SettingsError,
    UsageError,
)

_FINAL = (ConsentError, EnrolmentError, KeyStoreError, LedgerError, PolicyError, SettingsError, UsageError)
"""What does not pass until a person does something about it."""
_MOST_SURPRISES = 5  # in a row: what nobody foresaw is a bug, and one that comes back each time does not pass
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 1.0, 60.0
_HEALTHY_SECONDS = 60.0
_STOP_SECONDS = 4.0  # a call to a server that hangs is left behind: all that counts is on the disk already
_chance = secrets.SystemRandom()
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """One thing that the daemon does beside others.

    run:          works until the event is set or there is nothing left to do; raises AttuneError for what the student
                  should hear
    retried:      whether it is begun again where it fails; else its first failure ends the program
    low_priority: whether other programs go first
    """

    name: str
    run: Callable[[threading.Event], object]
    retried: bool = True
    low_priority: bool = False


class WorkerState(BaseModel):
    """How one worker is.

    why:   what it failed of, as a sentence; else empty
    again: how often it was begun again
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["working", "waits", "ended", "failed"] = "working"
    why: str = ""
    again: int = 0


class Supervisor:
    """Runs `workers` until `stop`, which it sets itself where one fails for good.

    The times before a worker is begun again grow from a second to a minute, give or take half, and are short again
    once it has worked for a minute.
    """

    def __init__(self, workers: Sequence[Worker], stop: threading.Event, say: Callable[[str], None]) -> None:
        """say: is told, once, what a worker waits for"""
        self.states = {worker.name: WorkerState() for worker in workers}
        self.failure: BaseException | None = None
        """What ended the work, where it did not end by itself."""
        self._stop, self._say = stop, say
        self._threads = [
            threading.Thread(target=self._keep_going, args=(worker,), name=worker.name, daemon=True)
            for worker in workers
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Waits for the workers, a few seconds for each."""
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def _keep_going(self, worker: Worker) -> None:
        if worker.low_priority:
            give_way()
        failures = 0
        while not self._stop.is_set():
            began = steady()
            try:
                worker.run(self._stop)
            except BaseException as error:  # SystemExit too: no library ends this program
                failures = 1 if steady() - began > _HEALTHY_SECONDS else failures + 1
                self._failed(worker, error, failures)
            else:
                self._show(worker, state="ended", why="")
                return

    def _failed(self, worker: Worker, error: BaseException, failures: int) -> None:
        """Waits for the next try, or ends everything. failures: in a row, this one included"""
        foreseen = isinstance(error, AttuneError)
        why = str(error) if foreseen else "something unexpected happened; client.log has the details"
        if isinstance(error, _FINAL) or not worker.retried or (not foreseen and failures >= _MOST_SURPRISES):
            self._show(worker, state="failed", why=why)
            self.failure = self.failure or error
            self._stop.set()
            return
        if not foreseen:
            log.error("%s: something unexpected happened", worker.name, exc_info=error)
        elif why != self.states[worker.name].why:
            log.warning("%s: %s", worker.name, why)
            self._say(f"{why} This program tries again by itself.")
        self._show(worker, state="waits", why=why)
        longest = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 10))
        if not self._stop.wait(longest * _chance.uniform(0.5, 1.5)):
            self._show(worker, state="working", again=self.states[worker.name].again + 1)

    def _show(self, worker: Worker, **changes: object) -> None:
        self.states[worker.name] = self.states[worker.name].model_copy(update=changes)
