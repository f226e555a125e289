"""What a device sees, asks and reads: capture with the questions and the live reading that hang on each frame."""

import numpy as np

from fl_client.capture.frame_source import FrameSource
from fl_client.capture.loop import CaptureLoop
from fl_client.capture.window import Refusal
from fl_client.consent import ConsentBook
from fl_client.home import Enrolment, Home
from fl_client.labels import LabelSource
from fl_client.labels.assembly import prober_for, sources_for
from fl_client.labels.terminal import TerminalDoor
from fl_client.live.explaining import WindowExplainer
from fl_client.live.reader import LiveReader
from fl_client.settings import Settings
from fl_client.store import Store
from fl_client.supervisor import Worker
from shared_models.data.faces import FaceFinder
from shared_models.data.labels import scheme_by_name
from shared_models.errors import ConsentError


class Senses:
    """One camera's frames go to the ring of the last seconds, to the questions and to the live reading."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        enrolment: Enrolment,
        consent: ConsentBook,
        store: Store,
        source: FrameSource,
        finder: FaceFinder,
        script: LabelSource,
    ) -> None:
        """script: labels that stand for taps

        Where the study does not allow live reading there is no reader and no explainer, and `no_reader` says so.
        """
        policy, policy_hash = enrolment.policy, enrolment.policy.hash
        self._source = source
        self.reader: LiveReader | None = None
        self.explainer: WindowExplainer | None = None
        self.no_reader = ""
        try:
            self.reader = LiveReader.of_device(home, policy)
            self.explainer = WindowExplainer(self.reader, home, policy)
        except ConsentError as error:
            self.no_reader = str(error)
        self.prober = prober_for(policy, settings.labels, consent, store)
        self._door = TerminalDoor(home.questions, self.prober)
        self.capture = CaptureLoop(
            source,
            finder,
            sources_for(policy, settings.labels, store, script, self.prober, self.reader),
            store,
            scheme_by_name(policy.scheme),
            capacity=policy.max_sequences,
            paused=lambda: not consent.current().allows_keeping(policy_hash),
            on_look=self._see,
            asked=self.prober.asked,
            quality=settings.quality,
            search_seconds=settings.capture.search_seconds,
        )

    @property
    def workers(self) -> list[Worker]:
        reading = [Worker("reader", self.reader.run)] if self.reader else []
        return [
            Worker("capture", self.capture.run, retried=self._source.live),
            Worker("prober", self.prober.run),
            Worker("terminal", self._door.run),
            *reading,
        ]

    def _see(self, seconds: float, look: np.ndarray | Refusal) -> None:
        self.prober.see(seconds, look)
        if self.reader:
            self.reader.see(seconds, look)
