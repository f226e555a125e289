"""The live reader: fed with what capture sees, asked by the page and by `fl-client watch`."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Lock

import numpy as np

from fl_client.capture.window import Refusal
from fl_client.home import Home, load_enrolment
from fl_client.live.model import ModelSource
from fl_client.live.permission import require_live_reading
from fl_client.live.reading import Reading
from fl_client.live.streams import WindowStreams
from shared_models.data.sequences import INPUT_SHAPE, SEQUENCE_FRAMES
from shared_models.errors import AttuneError, ModelError
from shared_models.privacy.policy import Policy

_STEP_SECONDS = 2.0 / SEQUENCE_FRAMES  # as capture cuts windows for training
_LONGEST_GAP_SECONDS = 0.5  # without a clear face: beyond it there is nothing to read
_STALE_SECONDS = 1.0
_LOOK_SECONDS = 2.0
READING = "reading"
log = logging.getLogger(__name__)


class LiveReader:
    """Reads one face, in memory only.

    Time goes in the steps of a training window. A frame that comes earlier is left out; where some steps had no clear
    face, the next one stands for them too. A second face, half a second without a clear one, or a jump in time starts
    anew.
    """

    name = "live reader"

    def __init__(
        self, newer: Callable[[], WindowStreams | None], require_allowed: Callable[[], None] = lambda: None
    ) -> None:
        """newer:           gives each model once, when it is there; raises ModelError where there is none
        require_allowed: raises ConsentError where the study does not allow live reading, now
        """
        require_allowed()
        self._newer, self._require_allowed = newer, require_allowed
        self._lock = Lock()
        self._model: WindowStreams | None = None
        self._next: WindowStreams | None = None
        self._reading: Reading | None = None
        self._window = np.zeros(INPUT_SHAPE, np.uint8)
        self._read_at = -np.inf
        self._origin = self._last = -np.inf
        self._steps = 0
        self._off, self._without = "", "starting"
        self.face = "nothing seen yet"
        """What was last seen: `clear`, or why a frame was of no use."""

    @classmethod
    def of_device(cls, home: Home, policy: Policy) -> "LiveReader":
        """The reader of the device in `home`: its terms decide, its newest weights are read with.

        Raises ConsentError where the study does not allow live reading.
        """
        return cls(ModelSource(home.model, policy).newer, lambda: require_live_reading(load_enrolment(home)))

    @property
    def state(self) -> str:
        """`reading`; `starting`; or why nothing can be read."""
        return self._off or (READING if self._model else self._without)

    def run(self, stop: Event) -> None:
        """Takes the model in use, and each newer one when it arrives, until `stop` is set."""
        while not stop.is_set():
            self.refresh()
            stop.wait(_LOOK_SECONDS)

    def refresh(self) -> None:
        """Takes a newer model, where there is one. The one in use answers until that has seen a window of its own.

        Where the study's terms allow live reading no more, nothing is read from here on. Frames that are not about now
        any more, as while capture rests, are overwritten.
        """
        off, model = "", None
        try:
            self._require_allowed()
            model = self._newer()
        except ModelError as error:
            log.warning("%s", error)
            self._without = str(error)
        except AttuneError as error:
            off = str(error)
        with self._lock:
            self._off = off
            if off or not self._is_about_now():
                self._start_anew()
            if off:
                return
            if self._model is None:
                self._model = model
            elif model is not None:
                self._next = model

    def see(self, seconds: float, look: np.ndarray | Refusal) -> None:
        """Takes what was seen at `seconds`: a crop (H, W) uint8, or why there is none."""
        with self._lock:
            if self._off:
                return
            if isinstance(look, Refusal):
                self.face = look.value
                if look is Refusal.SEVERAL_FACES or seconds - self._last > _LONGEST_GAP_SECONDS:
                    self._start_anew()
                return
            self.face = "clear"
            steps = self._steps_until(seconds)
            if self._model is not None and steps:
                self._read(self._model, seconds, look, steps)

    def reading(self) -> Reading | None:
        """The newest, while it is about now; None without a face, with two, without a model, or while capture rests."""
        with self._lock:
            return self._reading if self._is_about_now() else None

    def window(self) -> np.ndarray | None:
        """A copy of the frames (T, 1, H, W) uint8 that the newest reading rests on, where they are a whole window."""
        with self._lock:
            known = self._reading is not None and self._reading.whole and self._is_about_now()
            return self._window.copy() if known else None

    def _is_about_now(self) -> bool:
        return time.monotonic() - self._read_at <= _STALE_SECONDS

    def _steps_until(self, seconds: float) -> int:
        """How many steps of a window have begun since the last clear frame."""
        if not 0 <= seconds - self._last <= _LONGEST_GAP_SECONDS:
            self._start_anew()
            self._origin, self._steps = seconds, -1
        self._last = seconds
        step = round((seconds - self._origin) / _STEP_SECONDS)
        passed, self._steps = max(0, step - self._steps), max(step, self._steps)
        return passed

    def _read(self, model: WindowStreams, seconds: float, crop: np.ndarray, steps: int) -> None:
        for _ in range(steps):
            self._window[:-1] = self._window[1:]
            self._window[-1] = crop
            probabilities = model.step(crop)
            if self._next is not None:
                self._next.step(crop)
        self._reading = Reading(
            classes=model.header.classes,
            probabilities=probabilities,
            frames=model.seen,
            whole=model.seen == model.window,
            seconds=seconds,
            at=datetime.now(UTC),
        )
        self._read_at = time.monotonic()
        if self._next is not None and self._next.seen >= model.seen:
            self._model, self._next = self._next, None

    def _start_anew(self) -> None:
        self._reading, self._last = None, -np.inf
        self._window.fill(0)
        for model in (self._model, self._next):
            if model is not None:
                model.restart()
