"""What a running device settles at the enrolment port beside its work: the terms in force, receipts for its ledger."""

import logging
import secrets
import threading
from collections.abc import Callable

from fl_client.clocks import steady
from fl_client.consent import ConsentBook
from fl_client.countersigned import ask_receipt
from fl_client.home import Enrolment, Home, Identity
from fl_client.journal import Journal
from fl_client.settings import Limits
from fl_client.terms import adopt, ask_terms
from shared_models.errors import AttuneError, ConsentError, LedgerError, PolicyError
from shared_models.privacy.events import Released
from shared_models.privacy.receipts import EMPTY_LEDGER, LedgerHead

_LOOK_SECONDS = 1.0
TERMS_SECONDS = 3600.0
RETRY_SECONDS = 60.0
_chance = secrets.SystemRandom()
log = logging.getLogger(__name__)


class Clerk:
    """Asks for the terms at the start, every hour and when a task names another policy; for a receipt at the start and
    after each released update.

    Never between a debit and its release: when a device has done its training is its own affair. A server that does
    not answer is asked again a minute later, and holds nothing up.
    """

    def __init__(
        self,
        home: Home,
        enrolment: Enrolment,
        identity: Identity,
        journal: Journal,
        limits: Limits,
    ) -> None:
        self._home, self._enrolment, self._identity = home, enrolment, identity
        self._journal, self._limits = journal, limits
        self._terms_due = self._receipt_due = steady()
        self._look_soon = threading.Event()
        self._signed: LedgerHead | None = None

    def run(self, stop: threading.Event) -> None:
        """Works until `stop`. Raises ConsentError where the terms have changed, PolicyError where they ask for more
        than this device allows, LedgerError where the server has seen more of this device's ledger."""
        while not stop.is_set():
            if self._look_soon.is_set() or steady() >= self._terms_due:
                self._look_soon.clear()
                self._terms_due = due_in(TERMS_SECONDS if self._best_effort(self._look_at_terms) else RETRY_SECONDS)
            if steady() >= self._receipt_due and not self._best_effort(self._countersign):
                self._receipt_due = due_in(RETRY_SECONDS)
            stop.wait(_LOOK_SECONDS)

    def look_soon(self) -> None:
        """A task named another policy than the one agreed to: the terms are looked at within a second."""
        self._look_soon.set()

    def _look_at_terms(self) -> None:
        offered = ask_terms(self._enrolment, self._identity)
        adopt(offered, self._enrolment, self._home, ConsentBook(self._home.root), self._limits)
        self._enrolment = offered

    def _countersign(self) -> None:
        last = self._journal.last
        head = EMPTY_LEDGER if last is None else LedgerHead(last.seq + 1, last.hash)
        between = last is not None and not isinstance(last.body, Released)
        if head == self._signed or (self._signed is not None and between):
            return
        ask_receipt(self._enrolment, self._identity, head, self._home)
        self._signed = head

    def _best_effort(self, errand: Callable[[], None]) -> bool:
        try:
            errand()
        except (ConsentError, LedgerError, PolicyError):
            raise
        except AttuneError as error:
            log.info("%s", error)
            return False
        return True


def due_in(seconds: float) -> float:
    """When so many seconds have passed, give or take 30 %: devices that began together do not ask together."""
    return steady() + seconds * _chance.uniform(0.7, 1.3)
