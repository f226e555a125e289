"""A running device waits for its owner's word: under terms that nobody agreed to, nothing is looked at or sent."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from fl_client.clerk import RETRY_SECONDS, TERMS_SECONDS, due_in
from fl_client.clocks import steady
from fl_client.consent import ConsentBook, Scope, State
from fl_client.daemon_status import DaemonStatus, write_status
from fl_client.home import Enrolment, Home, Identity, load_enrolment
from fl_client.settings import load_settings
from fl_client.terms import adopt, ask_terms
from shared_models.errors import AttuneError, ConsentError, PolicyError

WAITS = "waiting for you: read the study's terms and decide with `fl-client consent`"
_LOOK_SECONDS = 1.0
log = logging.getLogger(__name__)


def wait_for_consent(
    home: Home, identity: Identity, stop: threading.Event, say: Callable[[str], object]
) -> Enrolment | None:
    """The terms in force once their owner has agreed to capture under them, for the program begins with the camera.

    None once `stop` is set, or the owner has left. Meanwhile `say` and `status.json` say that it waits, and the study
    is asked for its terms as by a clerk at work.
    """
    book, enrolment, look_due = ConsentBook(home.root), load_enrolment(home), 0.0
    while not stop.is_set() and book.current().state is not State.WITHDRAWN:
        consent = book.current()
        if consent.covers(enrolment.text_hash, enrolment.policy.hash) and Scope.CAPTURE in consent.scopes:
            return enrolment
        if not look_due:
            log.info("%s", WAITS)
            say(f"{WAITS[0].upper()}{WAITS[1:]}. Until then the camera is closed and nothing is sent.")
            write_status(home.status, DaemonStatus(since=datetime.now(UTC), node=WAITS, capture="off"))
        if steady() >= look_due:
            offered = _terms_now(home, enrolment, identity, book)
            enrolment = offered or enrolment
            look_due = due_in(TERMS_SECONDS if offered else RETRY_SECONDS)
        stop.wait(_LOOK_SECONDS)
    return None


def asks_anew(home: Home) -> bool:
    """Whether what ended a daemon is that its owner has not agreed to the terms in force."""
    terms, consent = load_enrolment(home), ConsentBook(home.root).current()
    return consent.state is not State.WITHDRAWN and not consent.covers(terms.text_hash, terms.policy.hash)


def _terms_now(home: Home, current: Enrolment, identity: Identity, book: ConsentBook) -> Enrolment | None:
    """The terms in force, kept; None where the server cannot be asked now."""
    try:
        offered = ask_terms(current, identity)
        with suppress(ConsentError, PolicyError):  # it waits already; the owner hears of a refused policy on deciding
            adopt(offered, current, home, book, load_settings(home.settings).limits)
    except AttuneError as error:
        log.info("%s", error)
        return None
    return offered
