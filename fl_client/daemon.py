"""The daemon behind `fl-client run`: the workers of one device, until told to stop."""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from fl_client.app import client_app
from fl_client.capture.frame_source import FrameSource
from fl_client.clerk import Clerk
from fl_client.clocks import ClockWatch
from fl_client.conditions.gate import HeldUp, gate_of
from fl_client.consent import ConsentBook, State
from fl_client.daemon_status import DaemonStatus, write_status
from fl_client.home import Enrolment, Home, Identity
from fl_client.janitor import Janitor
from fl_client.journal import Journal
from fl_client.labels import LabelSource
from fl_client.node import NodeLoop
from fl_client.page.wiring import device_page
from fl_client.participant import Participant
from fl_client.senses import Senses
from fl_client.settings import Settings
from fl_client.store import Store
from fl_client.supervisor import Supervisor, Worker
from shared_models.data.faces import FaceFinder
from shared_models.errors import StorageError
from shared_models.privacy.gradients import engine_by_name

_TICK_SECONDS = 1.0
_NUMBER = re.compile(r"\d+")
log = logging.getLogger(__name__)


class Daemon:
    """One device at work. `status.json` says what it does."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        enrolment: Enrolment,
        identity: Identity,
        store: Store,
        journal: Journal,
        source: FrameSource,
        finder: FaceFinder,
        script: LabelSource,
        withdraw: Callable[[], None],
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """withdraw: what the owner's wish to leave does
        say: is told, once, what a worker of this device waits for

        Raises PolicyError where the study's policy is beyond this device's limits.
        """
        self._home = home
        self._store, self._journal, self._consent = store, journal, ConsentBook(home.root)
        self._stop = threading.Event()
        self._node_state, self._since = "starting", datetime.now(UTC)
        policy, consent = enrolment.policy, self._consent
        self._gate = gate_of(settings.training, consent, policy.hash)
        engine = engine_by_name(settings.training.engine)
        clerk = Clerk(home, enrolment, identity, journal, settings.limits)
        participant = Participant(
            enrolment,
            settings.limits,
            consent,
            store,
            journal,
            engine,
            look_up=self._look_up,
            train_on_pseudo=settings.labels.train_on_pseudo,
            keep_model=home.model,
            on_other_policy=clerk.look_soon,
        )
        app = client_app(participant)
        self._senses = Senses(home, settings, enrolment, consent, store, source, finder, script)
        self._node = NodeLoop(
            enrolment, identity.node, journal, app, consent, self._gate, settings.node, self._report_node
        )
        pages = []
        if settings.page.on:
            page = device_page(home, settings.page, enrolment, store, self._senses, withdraw, self.stop)
            pages = [Worker("page", page.run)]
        self._supervisor = Supervisor(
            [  # whatever else a device does beside these is one more line here
                *self._senses.workers,
                *pages,
                Worker("node", self._node.run, low_priority=True),
                Worker("clerk", clerk.run),
                Worker("janitor", Janitor(store, settings.store.keep_days).run),
            ],
            self._stop,
            say,
        )

    def run(self) -> None:
        """Works until `stop`, or until its owner leaves. Raises what ended it: EnrolmentError where the server does not
        know the device, ConsentError where the terms have changed, LedgerError where the ledger is an old copy, and
        CameraError or StorageError where a recording cannot be read or kept."""
        clocks = ClockWatch()
        self._supervisor.start()
        while not self._stop.wait(_TICK_SECONDS):
            for sentence in clocks.look():
                log.warning("%s", sentence)
            self._write_status()
            if self._consent.current().state is State.WITHDRAWN:
                self._stop.set()
        self._supervisor.join()
        if self._consent.current().state is State.WITHDRAWN:
            self._store.delete_all()
            self._journal.withdrawn()
        self._node_state = "stopped"
        self._write_status()
        if self._supervisor.failure is not None:
            raise self._supervisor.failure

    def stop(self) -> None:
        self._stop.set()

    def _look_up(self) -> None:
        """Between two pieces of training: raises HeldUp where it has to stop."""
        if self._stop.is_set():
            raise HeldUp("this program ends")
        self._gate.look_up()

    def _report_node(self, state: str) -> None:
        if _NUMBER.sub("", state) != _NUMBER.sub("", self._node_state):  # a load that wavers is no news
            log.info("%s", state)
        self._node_state = state

    def _write_status(self) -> None:
        capture, eye = self._senses.capture, self._supervisor.states["capture"]
        status = DaemonStatus(
            since=self._since,
            node=self._node_state,
            capture=f"waits: {eye.why}" if eye.state == "waits" else capture.state,
            clock=self._node.clock,
            unknown=self._gate.unknown,
            workers=dict(self._supervisor.states),
            **asdict(capture.counts),
        )
        try:
            write_status(self._home.status, status)
        except StorageError as error:  # a full disk is no reason to stop, and whoever stores something hears of it
            log.debug("%s", error)
