"""Linux without X: GNOME's own monitor to the millisecond, else what the desktop tells logind."""

import os
import subprocess
import time

from fl_client.conditions.last_input.command import output_of

_MUTTER = ("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor")


def idle_seconds() -> float | None:
    """Raises OSError or SubprocessError where neither is there."""
    try:
        return mutter_seconds(output_of("busctl", "--user", "call", *_MUTTER, "GetIdletime"))
    except (OSError, subprocess.SubprocessError):
        shown = output_of("loginctl", "show-user", str(os.getuid()), "-p", "IdleHint", "-p", "IdleSinceHintMonotonic")
        return logind_seconds(shown, time.monotonic())


def mutter_seconds(printed: str) -> float:
    """From a line such as `t 1234`, in milliseconds."""
    return int(printed.split()[1]) / 1000


def logind_seconds(printed: str, now: float) -> float | None:
    """From lines such as `IdleHint=yes` and `IdleSinceHintMonotonic=8000000`, in microseconds.

    A hint comes minutes after the last input, when the desktop thinks it idle; it is gone at the next input.
    """
    facts = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    if "IdleHint" not in facts:
        return None
    return now - int(facts["IdleSinceHintMonotonic"]) / 1e6 if facts["IdleHint"] == "yes" else 0.0
