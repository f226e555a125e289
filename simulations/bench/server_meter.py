"""CPU time and memory of another process while it runs, from Linux' /proc."""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from shared_models.errors import UsageError

_EVERY_SECONDS = 0.2
_MIB = 1 << 20


class ServerMeter:
    """Samples process `pid` between `with` and its end. Times are seconds of the machine's monotonic clock."""

    def __init__(self, pid: int) -> None:
        """Raises UsageError on a system without /proc."""
        self._process = Path("/proc") / str(pid)
        if not self._process.exists():
            raise UsageError("A process can be measured on Linux only", why="there is no /proc here")
        self._samples: list[tuple[float, float, int]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="server meter", daemon=True)

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def began(self) -> float:
        return self._samples[0][0]

    def cpu_seconds(self, since: float, until: float) -> float:
        """User and system time spent between two times, to the nearest samples within."""
        within = [cpu for at, cpu, _ in self._samples if since <= at <= until]
        return within[-1] - within[0] if within else 0.0

    def peak_mb(self, since: float, until: float) -> float:
        """The largest resident memory of any sample between two times, in MiB."""
        return max((rss for at, _, rss in self._samples if since <= at <= until), default=0) / _MIB

    def _follow(self) -> None:
        while not self._done.wait(_EVERY_SECONDS) and self._sample():
            continue

    def _sample(self) -> bool:
        """Whether the process was still there."""
        try:
            # The name of the program, in brackets, may hold blanks; 11 fields after it are two times in clock ticks.
            ticks = (self._process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
            pages = (self._process / "statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return False
        if pages == "0":  # it has ended and waits to be reaped
            return False
        cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        self._samples.append((time.monotonic(), cpu, int(pages) * os.sysconf("SC_PAGE_SIZE")))
        return True
