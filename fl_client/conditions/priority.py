"""Training at low priority."""

import ctypes
import os
import sys
import threading
from contextlib import suppress

_NICENESS = 10
_DARWIN_THREAD, _DARWIN_BACKGROUND = 3, 0x1000  # sys/resource.h: PRIO_DARWIN_THREAD, PRIO_DARWIN_BG
_WINDOWS_BACKGROUND = 0x10000  # THREAD_MODE_BACKGROUND_BEGIN


def give_way() -> None:
    """Lets other programs go before the calling thread, and before the threads that it starts, from now on.

    For its reads and writes too: macOS and Windows say so, Linux takes their priority from the niceness. 10 of 19 and
    not more: what waits for Python's lock while this thread holds it, such as the capture, waits with it.
    A system that does not allow it is left as it is.
    """
    with suppress(OSError):
        _give_way()


def _give_way() -> None:
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentThread.restype = ctypes.c_void_p
        kernel.SetThreadPriority(ctypes.c_void_p(kernel.GetCurrentThread()), _WINDOWS_BACKGROUND)
    elif sys.platform == "darwin":
        os.setpriority(_DARWIN_THREAD, 0, _DARWIN_BACKGROUND)
    else:
        thread = threading.get_native_id()  # on Linux each thread has a niceness of its own
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
