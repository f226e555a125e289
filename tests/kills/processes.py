"""Real processes in a hundredth of a second: forked from one that has imported everything and has no thread."""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

_POLL_SECONDS = 0.02
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG in Linux's prctl.h


class Process:
    """`work` in a process of its own; what it prints goes to `output`."""

    def __init__(self, work: Callable[[], None], output: Path) -> None:
        self._code: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_run(work, output))

    def ended(self) -> bool:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code is not None

    @property
    def code(self) -> int | None:
        """The exit code, or the signal that ended it below 0; None while it runs."""
        return self._code if self.ended() else None

    def wait(self, seconds: float) -> bool:
        """Whether it ended in time."""
        return until(self.ended, seconds)

    def signal(self, which: signal.Signals) -> None:
        if not self.ended():
            os.kill(self.pid, which)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait(10)


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether `holds()` became true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _run(work: Callable[[], None], output: Path) -> int:
    """The exit code. Never returns into what the parent was doing."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        work()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
