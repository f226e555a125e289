"""One labelled sequence, and the sealed file that holds it."""

import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from cryptography.exceptions import InvalidTag

from shared_models.sealing import seal, unseal

_MAGIC, _VERSION = b"ATTUNE-SEQ", b"\x01"
_HEADER = _MAGIC + _VERSION
_LENGTH_BYTES = 4
_HEAD_BYTES = 512


@dataclass(frozen=True)
class StoredSequence:
    """One sequence: frames (T, 1, H, W) uint8, its label and that label's index, who gave it, and when."""

    id: str
    frames: np.ndarray
    label_index: int
    label: str
    source: str
    captured_at: datetime


@dataclass(frozen=True)
class Damaged:
    """A sequence that the index knows and that cannot be opened any more."""

    id: str
    why: str


def seal_sequence(sequence: StoredSequence, key: bytes) -> bytes:
    """The file's content: it opens only with `key`, and under this sequence's id."""
    facts = {
        "shape": sequence.frames.shape,
        "label_index": sequence.label_index,
        "label": sequence.label,
        "source": sequence.source,
        "captured_at": sequence.captured_at.isoformat(),
    }
    head = json.dumps(facts).encode().ljust(_HEAD_BYTES)  # or the file's size would tell the label
    plain = len(head).to_bytes(_LENGTH_BYTES, "big") + head + sequence.frames.tobytes()
    return _HEADER + seal(key, plain, _HEADER + sequence.id.encode())


def open_sequence(sequence_id: str, sealed: bytes, key: bytes) -> StoredSequence | Damaged:
    """What `seal_sequence` was given, or why the file is not that any more."""
    if sealed.startswith(_MAGIC) and not sealed.startswith(_HEADER):
        return Damaged(sequence_id, "its file is of a version that this program does not know")
    try:
        plain = unseal(key, sealed.removeprefix(_HEADER), _HEADER + sequence_id.encode())
    except InvalidTag:
        return Damaged(sequence_id, "its file was cut, changed or exchanged")
    # The seal vouches for the form of what follows.
    split = _LENGTH_BYTES + int.from_bytes(plain[:_LENGTH_BYTES], "big")
    facts = json.loads(plain[_LENGTH_BYTES:split])
    return StoredSequence(
        sequence_id,
        np.frombuffer(plain, np.uint8, offset=split).reshape(facts["shape"]),
        facts["label_index"],
        facts["label"],
        facts["source"],
        datetime.fromisoformat(facts["captured_at"]),
    )
