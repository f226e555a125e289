"""Runs a command and prints what its processes took, all together: `{"cpu_s": ..., "rss_mb": ...}`. Linux only.

CPU is exact, of every process that was started on the way: this one adopts orphans and waits for them too. Memory is
the highest of twenty samples a second: the sum of the processes' own pages, and of what they map together, files
and shared memory, as much as the one that maps most.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_SECONDS = 0.05
_PATIENCE_SECONDS = 20.0


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    peak, ended = _Peak(), threading.Event()
    sampler = threading.Thread(target=peak.follow, args=(ended,))
    sampler.start()
    _, status, used = os.wait4(command.pid, 0)
    cpu = used.ru_utime + used.ru_stime + _cpu_of_orphans()
    ended.set()
    sampler.join()
    if status:
        sys.exit(f"{command.args!r} ended with status {status}")
    print(json.dumps({"cpu_s": round(cpu, 2), "rss_mb": round(peak.kib / 1024, 1)}))


class _Peak:
    """The most memory, in KiB, that the descendants of this process had at one time."""

    kib = 0

    def follow(self, ended: threading.Event) -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            rows = [row for pid in _descendants() if (row := _memory(pid))]
            if rows:
                own, files, shared = zip(*rows, strict=True)
                self.kib = max(self.kib, sum(own) + max(files) + max(shared))


def _cpu_of_orphans() -> float:
    """Waits for those that outlived the command; ends them where they stay."""
    cpu, deadline = 0.0, time.monotonic() + _PATIENCE_SECONDS
    with suppress(ChildProcessError):
        while True:
            pid, _, used = os.wait4(-1, os.WNOHANG)
            cpu += used.ru_utime + used.ru_stime if pid else 0.0
            if not pid:
                time.sleep(_SAMPLE_SECONDS)
                if time.monotonic() > deadline:
                    for left in _descendants():
                        with suppress(ProcessLookupError):
                            os.kill(left, signal.SIGKILL)
    return cpu


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = children.get(os.getpid(), [])
    for pid in found:
        found += children.get(pid, [])
    return found


def _memory(pid: int) -> tuple[int, int, int] | None:
    """KiB of own pages, of mapped files, and of shared memory; None where the process has ended."""
    with suppress(OSError, KeyError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        own, files, shared = (int(fields[name].split()[0]) for name in ("RssAnon", "RssFile", "RssShmem"))
        return own, files, shared
    return None


if __name__ == "__main__":
    main()
