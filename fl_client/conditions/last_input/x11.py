"""Linux with X: the screen saver extension's clock."""

import ctypes
from ctypes.util import find_library


class _Info(ctypes.Structure):
    """XScreenSaverInfo of X11/extensions/scrnsaver.h."""

    _fields_ = (
        ("window", ctypes.c_ulong),
        ("state", ctypes.c_int),
        ("kind", ctypes.c_int),
        ("til_or_since", ctypes.c_ulong),
        ("idle", ctypes.c_ulong),
        ("event_mask", ctypes.c_ulong),
    )


def idle_seconds() -> float | None:
    """None where there is no such library, display or extension.

    The display is opened anew each time: Xlib ends the whole process when a display that is open goes away.
    """
    names = find_library("X11"), find_library("Xss")
    if None in names:
        return None
    xlib, saver = map(ctypes.CDLL, names)
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XDefaultRootWindow.restype = ctypes.c_ulong
    opened = xlib.XOpenDisplay(None)
    if not opened:
        return None
    display, info = ctypes.c_void_p(opened), _Info()
    try:
        root = ctypes.c_ulong(xlib.XDefaultRootWindow(display))
        answered = saver.XScreenSaverQueryInfo(display, root, ctypes.byref(info))
    finally:
        xlib.XCloseDisplay(display)
    return info.idle / 1000 if answered else None
