"""Canonical JSON: the one byte form that is hashed and signed."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no white space and no NaN, as UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def canonical_hash(value: Any) -> str:
    """SHA-256, in hex, of the canonical form of `value`."""
    return hashlib.sha256(canonical(value)).hexdigest()
