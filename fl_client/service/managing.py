"""Putting a job into the hands of this computer's service manager, and taking it back."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from fl_client.home import Home
from fl_client.service.job import Job
from fl_client.service.launchd import Launchd
from fl_client.service.systemd import Systemd
from fl_client.service.windows import WindowsTask
from shared_models.errors import AddressError, UsageError
from shared_models.files import atomic_write, is_held, storage_errors

_PATIENCE_SECONDS = 60.0


class Manager(Protocol):
    """One kind of service manager: its file for a job, and the commands that make it read the file."""

    @property
    def name(self) -> str: ...
    def file(self, label: str, home: Path) -> Path: ...
    def text(self, job: Job) -> bytes: ...
    def install(self, label: str, file: Path) -> list[list[str]]: ...
    def remove(self, label: str, file: Path) -> list[list[str]]: ...
    def enabled(self, label: str) -> list[str]:
        """A command that ends with 0 where the job begins at each login."""


MANAGERS: dict[str, Manager] = {manager.name: manager for manager in (Systemd(), Launchd(), WindowsTask())}


def manager_here() -> Manager:
    """Raises UsageError where this system has none that is known."""
    name = {"linux": "systemd", "darwin": "launchd", "win32": "windows"}.get(sys.platform)
    if name is None:
        raise UsageError(f"There is no service for {sys.platform}", fix="Start `fl-client run` from your own scripts")
    return MANAGERS[name]


def install(manager: Manager, job: Job, home: Path) -> Path:
    """Writes the job's file and starts it, now and at each login, in place of an earlier one; gives the file.

    Raises AddressError where the service manager does not answer or refuses; the file stays for the next try.
    """
    file = manager.file(job.label, home)
    if file.exists():
        _stop(manager, job.label, file)
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, manager.text(job))
    for command in manager.install(job.label, file):
        _require(command)
    return file


def remove(manager: Manager, label: str, home: Path) -> bool:
    """Stops the job and takes its file away; False where there was none.

    Raises AddressError where the service manager still has it afterwards.
    """
    file = manager.file(label, home)
    if not file.exists():
        return False
    _stop(manager, label, file)
    if _succeeds(manager.enabled(label)):
        raise AddressError(f"The service {label} could not be taken away", fix="Log in to your desktop and try again")
    with storage_errors(file):
        file.unlink()
    return True


def facts(manager: Manager, label: str, home: Path) -> dict[str, Any]:
    """What is so now; `enabled` is None where the service manager does not answer."""
    file = manager.file(label, home)
    return {
        "manager": manager.name,
        "name": label,
        "file": str(file),
        "installed": file.exists(),
        "enabled": _succeeds(manager.enabled(label)) if file.exists() else False,
        "running": is_held(Home(home).lock),
    }


def _stop(manager: Manager, label: str, file: Path) -> None:
    """As far as there is something to stop."""
    for command in manager.remove(label, file):
        _run(command)


def _require(command: Sequence[str]) -> None:
    ended = _run(command)
    if ended is None or ended.returncode != 0:
        raise AddressError(
            f"`{' '.join(command)}` failed",
            why="there is no such program here" if ended is None else " ".join((ended.stderr or ended.stdout).split()),
            fix="Log in to your desktop and try again, or start `fl-client run` yourself",
        )


def _succeeds(command: Sequence[str]) -> bool | None:
    ended = _run(command)
    return None if ended is None else ended.returncode == 0


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """None where there is no such program, or it does not end."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
