"""The node loop: asks for tasks while the student allows it, and answers each at its fixed time."""

import logging
import secrets
import threading
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fl_client.consent import ConsentBook, Scope
from fl_client.home import Enrolment
from fl_client.journal import Journal
from fl_client.settings import NodeSettings
from fl_client.transport import LineDownError, NodeConnection, connect
from shared_models.errors import AttuneError, BudgetError, EnrolmentError, StorageError

_CONSENT_POLL_SECONDS = 1.0
_chance = secrets.SystemRandom()
log = logging.getLogger(__name__)


class NodeLoop:
    """Runs until stopped, or until the device's budget is spent. `report` follows its state in words."""

    def __init__(
        self,
        enrolment: Enrolment,
        key: ec.EllipticCurvePrivateKey,
        journal: Journal,
        app: ClientApp,
        consent: ConsentBook,
        settings: NodeSettings,
        stop: threading.Event,
        report: Callable[[str], None],
    ) -> None:
        self._enrolment, self._key, self._journal = enrolment, key, journal
        self._app, self._consent, self._settings = app, consent, settings
        self._stop, self._report = stop, report

    def run(self) -> None:
        """Raises EnrolmentError where the server does not know this device any more."""
        while not self._stop.is_set():
            if not self._may_train():
                self._report("waiting for consent to train")
                self._stop.wait(_CONSENT_POLL_SECONDS)
                continue
            connected = False
            try:
                self._journal.require_budget()
                with connect(self._enrolment.fleet_address, self._enrolment.ca_pem.encode(), self._key) as connection:
                    connected = True
                    self._serve(connection)
            except BudgetError as error:
                log.warning("%s", error)
                self._report(str(error))
                return
            except EnrolmentError as error:
                if not connected:
                    raise
                self._wait_for_line(error)  # a server that was put back from a backup takes it under another node id
            except AttuneError as error:
                log.warning("%s", error)
                self._wait_for_line(error)

    def _serve(self, connection: NodeConnection) -> None:
        self._report("connected")
        while not self._stop.is_set() and self._may_train():
            self._journal.require_budget()
            try:
                task = connection.pull()
            except LineDownError as error:
                self._wait_for_line(error)
                continue
            self._report("connected")
            if task is None:
                self._stop.wait(self._settings.poll_seconds * _chance.uniform(0.7, 1.3))
                continue
            self._report("training")
            self._answer(connection, task)

    def _answer(self, connection: NodeConnection, task: Message) -> None:
        """Trains, waits until the public reply time has passed, sends, and closes the intent."""
        began = time.monotonic()
        context = Context(
            run_id=task.metadata.run_id,
            node_id=task.metadata.dst_node_id,
            node_config={},
            state=RecordDict(),
            run_config={},
        )
        reply = self._app(message=task, context=context)
        if self._stop.wait(self._until_due(began)) or not self._may_train():
            return  # nothing leaves early or against the student's word; what was debited stays debited
        self._push(connection, reply, task.metadata.ttl)
        if not reply.has_error():
            try:
                self._journal.released(str(reply.content["update"]["nonce"]))
            except StorageError as error:
                log.warning("the update was sent, but the ledger could not say so: %s", error)

    def _until_due(self, began: float) -> float:
        """Seconds until the update may leave: a whole number of reply times after its task, however long it took."""
        period, taken = self._enrolment.policy.reply_seconds, time.monotonic() - began
        return -taken % period if taken > period > 0 else max(0.0, period - taken)

    def _push(self, connection: NodeConnection, reply: Message, ttl: float) -> None:
        """Sends the same bytes again where the line is down, for as long as the task may be answered (seconds)."""
        expires = time.monotonic() + ttl
        while True:
            try:
                connection.push(reply)
                return
            except LineDownError as error:
                if self._stop.is_set() or time.monotonic() > expires:
                    raise
                self._wait_for_line(error)

    def _wait_for_line(self, error: AttuneError) -> None:
        self._report(str(error))
        asked = error.retry_after if isinstance(error, LineDownError) else 0.0
        self._stop.wait(max(asked, self._settings.retry_seconds * _chance.uniform(0.5, 1.5)))

    def _may_train(self) -> bool:
        return self._consent.current().allows(Scope.TRAIN, self._enrolment.policy.hash)
