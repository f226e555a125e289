"""What a service manager is asked to keep running, whatever its own format is."""

import hashlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from fl_client.home import Home
from fl_client.passphrase import PASSPHRASE_FILE
from shared_models.errors import (
    BudgetError,
    ConsentError,
    DataError,
    EnrolmentError,
    KeyStoreError,
    LedgerError,
    ModelError,
    PolicyError,
    SettingsError,
    UsageError,
    WireError,
)

DESCRIPTION = "Attune: private training on this laptop"
NICE = 10
LASTING = sorted(
    error.exit_code
    for error in (
        BudgetError,
        ConsentError,
        DataError,
        EnrolmentError,
        LedgerError,
        ModelError,
        PolicyError,
        SettingsError,
        UsageError,
        WireError,
    )
)
"""Exit codes of what does not pass by itself: after these the program is not started again."""


@dataclass(frozen=True)
class Job:
    """One device's program. Neither label nor command holds a secret: of a passphrase only its file is named."""

    label: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def job_for(home: Path, default_home: Path, options: list[str]) -> Job:
    """The job that runs the device in `home`; `options` of `fl-client run` go along.

    Raises UsageError where the program is not installed, KeyStoreError where it would have to ask for a passphrase.
    """
    home = home.absolute()
    environment = {name: os.environ[name] for name in (PASSPHRASE_FILE,) if name in os.environ}
    if Home(home).sealed_keys.exists() and not environment:
        raise KeyStoreError(
            "A service cannot ask for this device's passphrase",
            fix=f"Name a file that holds it, which only you can read, in {PASSPHRASE_FILE} and install it again",
        )
    return Job(label_of(home, default_home), [str(_program()), "run", "--home", str(home), *options], environment)


def label_of(home: Path, default_home: Path) -> str:
    """The service's name: a second device on this computer has another one."""
    home = home.absolute()
    return (
        "attune" if home == default_home.absolute() else f"attune-{hashlib.sha256(os.fsencode(home)).hexdigest()[:8]}"
    )


def _program() -> Path:
    path = Path(sys.executable).with_name("fl-client.exe" if os.name == "nt" else "fl-client")
    if not path.exists():
        raise UsageError(f"{path} is not there", fix="Install Attune with pip into the Python that runs this command")
    return path
