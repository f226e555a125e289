"""How long ago somebody touched keyboard, mouse or touchpad: asked of each system in its own way."""

import os
import sys


def read_idle_seconds() -> float | None:
    """Seconds since the last input; None where this system does not tell, as on one without a screen."""
    if sys.platform == "win32":
        from fl_client.conditions.last_input.windows import idle_seconds
    elif sys.platform == "darwin":
        from fl_client.conditions.last_input.macos import idle_seconds
    elif os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        from fl_client.conditions.last_input.x11 import idle_seconds
    else:  # under Wayland an X display sees only what its own windows are sent
        from fl_client.conditions.last_input.linux import idle_seconds
    return idle_seconds()
