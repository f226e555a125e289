"""One labelled sequence, and the sealed file that holds it."""

import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from cryptography.exceptions import InvalidTag

from shared_models.errors import StorageError
from shared_models.sealing import seal, unseal

_HEADER = b"ATTUNE-SEQ\x01"  # the last byte is the format's version
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


def open_sequence(sequence_id: str, sealed: bytes, key: bytes) -> StoredSequence:
    """What `seal_sequence` was given; raises StorageError where the file is not that any more."""
    try:
        plain = unseal(key, sealed.removeprefix(_HEADER), _HEADER + sequence_id.encode())
    except InvalidTag as error:
        raise damaged(sequence_id) from error
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


def damaged(sequence_id: str) -> StorageError:
    """The error for a sequence whose file or key was altered."""
    return StorageError(
        f"The sequence {sequence_id} cannot be opened",
        why="its file or its key is damaged",
        fix=f"Delete it with 'fl-client data delete {sequence_id}'; the others are intact",
    )
