"""The daemon behind `fl-client run`: capture in one thread, the node loop in another, until told to stop."""

import json
import logging
import os
import secrets
import threading
from dataclasses import asdict, replace
from typing import Any

from fl_client.app import client_app
from fl_client.capture.loop import CaptureCounts, CaptureLoop
from fl_client.capture.sources import FrameSource
from fl_client.clerk import Clerk
from fl_client.consent import ConsentBook, Scope, State
from fl_client.home import Enrolment, Home, Identity
from fl_client.journal import Journal
from fl_client.labels import LabelSource
from fl_client.node import NodeLoop
from fl_client.page.server import PageServer
from fl_client.participant import Participant
from fl_client.settings import Settings
from fl_client.store import Store
from fl_client.withdrawal import tell
from shared_models.data.faces import FaceFinder
from shared_models.data.labels import scheme_by_name
from shared_models.errors import CameraError
from shared_models.files import atomic_write
from shared_models.privacy.gradients import engine_by_name

_STATUS_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 600.0
_STOP_SECONDS = 4.0  # a call to a server that hangs is left behind: all that counts is on the disk already
_chance = secrets.SystemRandom()
log = logging.getLogger(__name__)


class Daemon:
    """One device at work. `status.json` says what it does; it holds no label, no frame and no key."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        enrolment: Enrolment,
        identity: Identity,
        store: Store,
        journal: Journal,
    ) -> None:
        """Raises PolicyError where the study's policy is beyond this device's limits."""
        self._home, self._settings, self._enrolment = home, settings, enrolment
        self._store, self._consent = store, ConsentBook(home.root)
        self._stop, self._told_to_stop = threading.Event(), threading.Event()
        self._node_state, self._capture_state = "starting", "no camera"
        self._counts = CaptureCounts()
        self._failure: BaseException | None = None
        self._journal = journal
        engine = engine_by_name(settings.training.engine)
        participant = Participant(enrolment, settings.limits, self._consent, store, self._journal, engine)
        self._node = NodeLoop(
            enrolment,
            identity.node,
            self._journal,
            client_app(participant),
            self._consent,
            settings.node,
            self._stop,
            self._report_node,
        )
        self._clerk = Clerk(home, enrolment, identity, journal, settings.limits, self._stop)

    def run(self, source: FrameSource, finder: FaceFinder, labels: LabelSource, page: PageServer | None = None) -> None:
        """Works until `stop`. Raises what ended it: CameraError where the camera fails, EnrolmentError where the
        server does not know the device, ConsentError where the terms have changed, LedgerError where the ledger is an
        old copy, StorageError where the disk is full."""
        threads = [
            threading.Thread(target=self._guarded, args=(self._capture, source, finder, labels), daemon=True),
            threading.Thread(target=self._guarded, args=(self._node.run,), daemon=True),
            threading.Thread(target=self._guarded, args=(self._clerk.run,), daemon=True),
        ]
        if page is not None:
            threads.append(threading.Thread(target=self._guarded, args=(page.run, self._stop), daemon=True))
        for thread in threads:
            thread.start()
        while not self._stop.wait(_STATUS_SECONDS):
            self._write_status()
            if self._consent.current().state is State.WITHDRAWN:
                self._stop.set()
        for thread in threads:
            thread.join(_STOP_SECONDS)
        if self._consent.current().state is State.WITHDRAWN:
            self._store.delete_all()
            self._journal.withdrawn()
        self._node_state = "stopped"
        self._write_status()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        self._told_to_stop.set()
        self._stop.set()

    def tell_of_leaving(self) -> None:
        """Where its owner has left: tells the server until it has heard, or until `stop`. Nothing else runs then.

        The times between grow to ten minutes.
        """
        retry = self._settings.node.retry_seconds
        while not tell(self._home) and not self._told_to_stop.wait(retry * _chance.uniform(0.5, 1.5)):
            retry = min(2 * retry, _LONGEST_RETRY_SECONDS)

    def _capture(self, source: FrameSource, finder: FaceFinder, labels: LabelSource) -> None:
        loop = CaptureLoop(
            source,
            finder,
            labels,
            self._store,
            scheme_by_name(self._enrolment.policy.scheme),
            capacity=self._enrolment.policy.max_sequences,
            stop=self._stop,
            paused=lambda: not self._may_capture(),
        )
        self._counts, self._capture_state = loop.counts, "capturing"
        try:
            loop.run()
        finally:
            self._capture_state = "ended"
        if loop.counts.frames and not loop.counts.usable:
            raise CameraError(
                "No usable face was found in any frame",
                why="nobody was in the picture, or the picture is too dark, too small or too blurred",
                fix="Check the camera or the video and start again",
            )

    def _may_capture(self) -> bool:
        consent, policy = self._consent.current(), self._enrolment.policy.hash
        return consent.allows(Scope.CAPTURE, policy) and consent.allows(Scope.STORE, policy)

    def _guarded(self, work: Any, *given: Any) -> None:
        """Runs one thread's work; what goes wrong there ends the daemon and is raised by `run`."""
        try:
            work(*given)
        except Exception as error:
            self._failure = self._failure or error
            self._stop.set()

    def _report_node(self, state: str) -> None:
        if state != self._node_state:
            log.info("%s", state)
            self._node_state = state

    def _write_status(self) -> None:
        status = {
            "pid": os.getpid(),
            "node": self._node_state,
            "capture": self._capture_state,
            **asdict(replace(self._counts, refused=dict(self._counts.refused))),
        }
        atomic_write(self._home.status, json.dumps(status).encode())
