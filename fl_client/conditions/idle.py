"""Training only while the student does not use the computer."""

from collections.abc import Callable

from fl_client.conditions.condition import Condition
from fl_client.conditions.last_input import read_idle_seconds


def unused(seconds: float, probe: Callable[[], float | None] = read_idle_seconds) -> Condition[float]:
    """seconds: how long nobody must have touched keyboard, mouse or touchpad"""
    return Condition(
        "when it was last used", probe, lambda idle: "you are using this computer" if idle < seconds else ""
    )
