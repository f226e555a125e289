"""macOS: what the input system says of itself."""

import re

from fl_client.conditions.last_input.command import output_of


def idle_seconds() -> float | None:
    """Raises OSError or SubprocessError where it cannot be asked."""
    return hid_seconds(output_of("ioreg", "-c", "IOHIDSystem", "-d", "4"))


def hid_seconds(printed: str) -> float | None:
    """From a line such as `"HIDIdleTime" = 1500000000`, in nanoseconds."""
    found = re.search(r'"HIDIdleTime"\s*=\s*(\d+)', printed)
    return int(found.group(1)) / 1e9 if found else None
