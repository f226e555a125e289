"""Training only on mains power."""

from collections.abc import Callable

import psutil

from fl_client.conditions.condition import Condition


def read_mains() -> bool | None:
    """Whether this computer is plugged in; one without a battery always is."""
    if not hasattr(psutil, "sensors_battery"):
        return None
    battery = psutil.sensors_battery()
    return True if battery is None else battery.power_plugged


def on_mains(probe: Callable[[], bool | None] = read_mains) -> Condition[bool]:
    return Condition("whether it is plugged in", probe, lambda plugged_in: "" if plugged_in else "on battery")
