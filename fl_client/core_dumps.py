"""Memory stays memory: what a crash leaves on the disk must not hold frames, keys or a passphrase."""

import ctypes
import platform
from contextlib import suppress

_PR_SET_DUMPABLE = 4  # Linux's prctl.h


def leave_none() -> None:
    """No core dump is written of this process, nor handed to a program that collects them."""
    with suppress(ImportError):  # Windows has no core dumps
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if platform.system() == "Linux":  # a collector is not bound by the limit
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
