"""Training only while the processor is cool enough."""

from collections.abc import Callable

import psutil

from fl_client.conditions.condition import Condition

_PROCESSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal")
"""What Linux calls the sensors of a processor. Others sit on disks and radios, which are often hotter."""


def read_celsius() -> float | None:
    """The hottest reading of the processor; None where there is no sensor that can be read."""
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    sensors = psutil.sensors_temperatures()
    return max((one.current for name in _PROCESSORS for one in sensors.get(name, ())), default=None)


def cool(limit: float, probe: Callable[[], float | None] = read_celsius) -> Condition[float]:
    """limit: degrees Celsius"""

    def judge(celsius: float) -> str:
        return f"the processor has {celsius:.0f} degrees" if celsius > limit else ""

    return Condition("how warm the processor is", probe, judge)
