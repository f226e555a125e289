"""Asks a small program of the system."""

import subprocess

_PATIENCE_SECONDS = 2.0


def output_of(*command: str) -> str:
    """What `command` prints. Raises OSError or SubprocessError where it is missing, fails or hangs."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
    ).stdout
