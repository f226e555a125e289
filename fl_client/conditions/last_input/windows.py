"""Windows: GetLastInputInfo, in this user's session."""

import ctypes
import sys

_WRAP = 1 << 32  # the tick count starts again after 49.7 days


class _LastInputInfo(ctypes.Structure):
    _fields_ = (("cbSize", ctypes.c_uint32), ("dwTime", ctypes.c_uint32))


def idle_seconds() -> float | None:
    if sys.platform != "win32":
        return None
    info = _LastInputInfo(ctypes.sizeof(_LastInputInfo), 0)
    if not ctypes.WinDLL("user32").GetLastInputInfo(ctypes.byref(info)):
        return None
    return tick_seconds(ctypes.WinDLL("kernel32").GetTickCount(), info.dwTime)


def tick_seconds(now: int, then: int) -> float:
    """Between two 32-bit counts of milliseconds."""
    return (now - then) % _WRAP / 1000
