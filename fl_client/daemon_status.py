"""What a running device says of itself: `status.json`, written by the daemon alone and read by everybody else."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fl_client.supervisor import WorkerState
from shared_models.files import storage_errors


class DaemonStatus(BaseModel):
    """One look at the daemon. Holds no label, no frame and no key; docs/client-status.md explains each field."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    pid: int = Field(default_factory=os.getpid)
    since: datetime
    written: datetime = Field(default_factory=lambda: datetime.now(UTC))
    node: str
    capture: str
    clock: str = ""
    unknown: list[str] = []
    workers: dict[str, WorkerState] = {}
    frames: int = 0
    searched: int = 0
    usable: int = 0
    unusable: dict[str, int] = {}
    stored: int = 0
    refused: dict[str, int] = {}


def write_status(path: Path, status: DaemonStatus) -> None:
    """Replaces the file, so that a reader sees the old content or the new.

    Not flushed to the disk as other files are: it is written each second, and means nothing after a power cut. Raises
    StorageError where there is no room.
    """
    temporary = path.with_name(f".{path.name}.part")
    with storage_errors(path):
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(status.model_dump_json().encode())
        os.replace(temporary, path)


def read_status(path: Path) -> DaemonStatus | None:
    """What the daemon said last; None where it never ran, or the file is damaged or of another version."""
    try:
        return DaemonStatus.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
