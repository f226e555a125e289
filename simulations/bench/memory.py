"""What work adds to a process's memory, measured where nothing else has been."""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

_MIB = 1 << 20
_Result = TypeVar("_Result")


def in_own_process(work: Callable[..., _Result], *arguments: object) -> _Result:
    """`work(*arguments)` in a fresh process, which inherits nothing of what this one has grown to."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        return pool.submit(work, *arguments).result()


def peak_growth(work: Callable[[], _Result]) -> tuple[_Result, float]:
    """What `work` gives, and the MiB by which it raised this process's peak over what was resident before."""
    _forget_peak()
    before = _peak_bytes()
    result = work()
    return result, round((_peak_bytes() - before) / _MIB, 1)


def _forget_peak() -> None:
    """Linux can forget the peak that imports left; elsewhere growth counts from there, which favours no way."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_bytes() -> int:
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kib) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
