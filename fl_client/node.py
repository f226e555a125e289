"""The node loop: asks for tasks while training is allowed, and answers each at its fixed time."""

import logging
import secrets
import threading
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fl_client.clocks import steady
from fl_client.conditions.gate import Gate, HeldUp
from fl_client.consent import ConsentBook, Scope
from fl_client.home import Enrolment
from fl_client.journal import Journal
from fl_client.settings import NodeSettings
from fl_client.transport import LineDownError, NodeConnection, connect
from shared_models.errors import AttuneError, BudgetError, ClockError, EnrolmentError, StorageError

_LOOK_SECONDS = 5.0
_chance = secrets.SystemRandom()
log = logging.getLogger(__name__)


class NodeLoop:
    """Runs until stopped, or until the device's budget is spent. `report` follows its state in words.

    While `gate` is shut nothing is asked for, and the server takes the device for offline: no round counts on it. A
    task in hand when the gate shuts is kept, unanswered, for as long as it may be answered.
    """

    def __init__(
        self,
        enrolment: Enrolment,
        key: ec.EllipticCurvePrivateKey,
        journal: Journal,
        app: ClientApp,
        consent: ConsentBook,
        gate: Gate,
        settings: NodeSettings,
        report: Callable[[str], None],
    ) -> None:
        self._enrolment, self._key, self._journal = enrolment, key, journal
        self._app, self._consent, self._gate, self._settings = app, consent, gate, settings
        self._report = report
        self.clock = ""
        """What is wrong with this computer's clock, as far as the server's answers tell; else empty."""

    def run(self, stop: threading.Event) -> None:
        """Raises EnrolmentError where the server does not know this device any more."""
        while not stop.is_set():
            if not self._gate_is_open(stop):
                continue
            connected = False
            try:
                self._journal.require_budget()
                with connect(self._enrolment.fleet_address, self._enrolment.ca_pem.encode(), self._key) as connection:
                    connected = True
                    self._serve(connection, stop)
            except BudgetError as error:
                log.warning("%s", error)
                self._report(str(error))
                return
            except EnrolmentError as error:
                if not connected:
                    raise
                self._wait_for_line(error, stop)  # a server put back from a backup takes it under another node id
            except AttuneError as error:
                log.warning("%s", error)
                self._wait_for_line(error, stop)

    def _gate_is_open(self, stop: threading.Event) -> bool:
        """Waits a little where it is not."""
        obstacle = self._gate.obstacle()
        if obstacle:
            self._report(f"waits: {obstacle}")
            stop.wait(_LOOK_SECONDS)
        return not obstacle

    def _serve(self, connection: NodeConnection, stop: threading.Event) -> None:
        self._report("connected")
        while not stop.is_set() and not self._gate.obstacle():
            self._journal.require_budget()
            try:
                task = connection.pull()
            except LineDownError as error:
                self._wait_for_line(error, stop)
                continue
            self._note_clock(connection.clock_error)
            self._report("connected")
            if task is None:
                stop.wait(self._settings.poll_seconds * _chance.uniform(0.7, 1.3))
                continue
            self._answer(connection, task, stop)

    def _answer(self, connection: NodeConnection, task: Message, stop: threading.Event) -> None:
        """Trains, waits until the public reply time has passed, sends, and closes the intent."""
        began = steady()
        reply = self._trained(task, began + task.metadata.ttl, stop)
        if reply is None or stop.wait(self._until_due(began)) or not self._agreed():
            return  # nothing leaves early or against the student's word; what was debited stays debited
        self._push(connection, reply, task.metadata.ttl, stop)
        if not reply.has_error():
            try:
                self._journal.released(str(reply.content["update"]["nonce"]))
            except StorageError as error:
                log.warning("the update was sent, but the ledger could not say so: %s", error)

    def _trained(self, task: Message, expires: float, stop: threading.Event) -> Message | None:
        """The reply to `task`, begun again each time that training was held up; None where that took too long."""
        while not stop.is_set() and steady() < expires:
            if not self._gate_is_open(stop):
                continue
            self._report("training")
            try:
                return self._app(message=task, context=context_of(task))
            except HeldUp as held:
                log.info("training stopped, and is taken up again if there is time: %s", held)
        return None

    def _until_due(self, began: float) -> float:
        """Seconds until the update may leave: a whole number of reply times after its task, however long it took."""
        period, taken = self._enrolment.policy.reply_seconds, steady() - began
        return -taken % period if taken > period > 0 else max(0.0, period - taken)

    def _push(self, connection: NodeConnection, reply: Message, ttl: float, stop: threading.Event) -> None:
        """Sends the same bytes again where the line is down, for as long as the task may be answered (seconds)."""
        expires = steady() + ttl
        while True:
            try:
                connection.push(reply)
                return
            except LineDownError as error:
                if stop.is_set() or steady() > expires:
                    raise
                self._wait_for_line(error, stop)

    def _wait_for_line(self, error: AttuneError, stop: threading.Event) -> None:
        if isinstance(error, ClockError):
            self._note_clock(error)
        self._report(str(error))
        asked = error.retry_after if isinstance(error, LineDownError) else 0.0
        stop.wait(max(asked, self._settings.retry_seconds * _chance.uniform(0.5, 1.5)))

    def _note_clock(self, error: ClockError | None) -> None:
        """No budget and no order of events hangs on this computer's clock, so that a wrong one is only said."""
        if error is not None and not self.clock:
            log.warning("%s", error)
        self.clock = "" if error is None else error.what

    def _agreed(self) -> bool:
        return self._consent.current().allows(Scope.TRAIN, self._enrolment.policy.hash)


def context_of(task: Message) -> Context:
    """What a ClientApp is called with beside `task`: nothing that outlives it."""
    return Context(
        run_id=task.metadata.run_id,
        node_id=task.metadata.dst_node_id,
        node_config={},
        state=RecordDict(),
        run_config={},
    )
