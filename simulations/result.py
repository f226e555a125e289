"""`result.json`: what a run came to, in one form for simulations and the demo."""

import importlib.metadata
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared_models.files import atomic_write
from shared_models.privacy.claims import Claim

_LIBRARIES = ("attune", "torch", "flwr", "numpy", "opencv-python-headless")
_CLAIM_FIELDS = {"observer", "unit", "adjacency", "epsilon", "delta", "status", "assumption"}
_KIB_A_UNIT = 1 if sys.platform != "darwin" else 1 / 1024


class Stopwatch:
    """What a run costs, from its start."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), _cpu_seconds()

    def cost(self, upload_bytes: int) -> dict[str, float]:
        return {
            "cpu_s": round(_cpu_seconds() - self._cpu, 2),
            "wall_s": round(time.monotonic() - self._wall, 2),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB_A_UNIT / 1024, 1),
            "upload_bytes_per_update": upload_bytes,
        }


def claim_rows(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    return [claim.model_dump(include=_CLAIM_FIELDS) for claim in claims]


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Raises StorageError where `path` cannot be written."""
    atomic_write(path, json.dumps(result, indent=1).encode(), 0o644)


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
