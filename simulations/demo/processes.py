"""The demo's processes: each in a session of its own, all of them stopped whatever happens."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from shared_models.errors import AttuneError

_STOP_SECONDS = 10.0


class DemoError(AttuneError):
    """A process that was started ended when it should not have."""


class Processes:
    """Starts programs of this installation; leaving the `with` block ends all that still run."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs, self._environment = logs, os.environ | environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, *command: str) -> None:
        """Starts `command`; what it prints goes to a file called `name`.log."""
        with (self._logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                _program(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises DemoError where a process that was started has failed."""
        for name, process in self._running.items():
            if process.poll() not in (None, 0):
                said = (self._logs / f"{name}.log").read_text(errors="replace").strip().splitlines()
                raise DemoError(f"The process {name} ended", why=said[-1] if said else "it said nothing")

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def ended(self, name: str) -> bool:
        return self._running[name].poll() is not None

    def call(self, *command: str) -> str:
        """Runs `command` to its end and returns what it printed; raises DemoError where it fails."""
        done = subprocess.run(
            _program(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self._environment
        )
        if done.returncode != 0:
            raise DemoError(f"`{' '.join(command[:2])}` failed", why=(done.stderr or done.stdout).strip())
        return done.stdout


def _program(command: Sequence[str]) -> list[str]:
    return [str(Path(sys.executable).with_name(command[0])), *command[1:]]
