"""Which weights live reading runs: those of the study's last task on this device, or those that it starts from."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from fl_client.live.convert import convert
from fl_client.live.streams import WindowStreams
from shared_models.errors import ModelError
from shared_models.privacy.policy import Policy

log = logging.getLogger(__name__)
_STARTER = "starter"
Made = TypeVar("Made")


@dataclass
class ModelSource:
    """The model for `policy`: from the file `kept` where there is one that fits, else the shipped starter weights."""

    kept: Path
    policy: Policy
    _seen: object = field(default=None, init=False)

    def newer(self) -> WindowStreams | None:
        """The model, where there is another one than was given before.

        Raises ModelError where there are weights of neither kind: the study's first task brings some.
        """
        version = self._version()
        if version == self._seen:
            return None
        self._seen = version
        return self.newest(self._streams)

    def newest(self, make: Callable[[str], Made]) -> Made:
        """What `make` makes of the weights to read with, named as `initial_model` takes them; raises as `newer`."""
        if self.kept.exists():
            try:
                return make(str(self.kept))
            except ModelError as error:  # of another study, or damaged
                log.warning("the kept model is not used: %s", error)
        return make(_STARTER)

    def _streams(self, initial: str) -> WindowStreams:
        return WindowStreams(convert(initial, self.policy.model, self.policy.scheme))

    def _version(self) -> object:
        try:
            stat = self.kept.stat()
        except OSError:
            return _STARTER
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
