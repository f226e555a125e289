"""Features of stored sequences on disk, each file sealed with the key of its sequence: they are deleted with it."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag

from shared_models.files import atomic_write
from shared_models.sealing import seal, unseal

_FORMAT = b"attune features 1 "


class FeatureShelf:
    """See `shared_models.networks.features.Shelf`. A file that another version wrote opens as none, and is replaced."""

    def __init__(
        self, path_of: Callable[[str], Path], held: Callable[[str], AbstractContextManager[bytes | None]]
    ) -> None:
        """held: the key of a sequence, for as long as it cannot be deleted; None where there is no such sequence"""
        self._path_of, self._held = path_of, held

    def get(self, name: str, version: str) -> np.ndarray | None:
        with self._held(name) as key:
            if key is None:
                return None
            try:
                plain = unseal(key, self._path_of(name).read_bytes(), _bound_to(name, version))
            except (InvalidTag, OSError):
                return None
        head, _, values = plain.partition(b"\n")
        return np.frombuffer(values, np.float32).reshape(json.loads(head)).copy()

    def put(self, name: str, version: str, features: np.ndarray) -> None:
        """Raises StorageError where the disk is full."""
        plain = json.dumps(features.shape).encode() + b"\n" + features.astype(np.float32).tobytes()
        with self._held(name) as key:
            if key is not None:  # else the sequence was deleted meanwhile
                atomic_write(self._path_of(name), seal(key, plain, _bound_to(name, version)))


def _bound_to(name: str, version: str) -> bytes:
    return _FORMAT + f"{name} {version}".encode()
