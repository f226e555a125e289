"""Task and update as they travel: every field and every byte count is checked before anything is used.

Weights arrive as one vector in a NumPy file whose header is already known from the installed architecture, so it is
compared, never parsed: no shape, dtype or size of the sender's choosing reaches a decoder.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from torch import Tensor

from shared_models.errors import LedgerError, WireError
from shared_models.networks.weights import weights_hash
from shared_models.privacy.ledger import Entry, parse_entry
from shared_models.privacy.receipts import Receipt

WIRE_VERSION = 2
_MAX_TEXT = 4096
_VECTOR = "values"
_NONCE = re.compile("[0-9a-f]{32}")  # it becomes a file name on the device

_TASK_FIELDS = {
    "study": str,
    "round": int,
    "nonce": str,
    "model_hash": str,
    "policy_hash": str,
    "receipt_entry": str,
    "receipt_signature": str,
}

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Task:
    """What the server asks of a device in one round."""

    study: str
    round: int
    nonce: str
    model_hash: str
    policy_hash: str
    receipt: Receipt
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Update:
    """What a device answers: the noised change of the trainable part, and the signed ledger entry behind it."""

    nonce: str
    intent: Entry
    delta: dict[str, Tensor]


def pack_weights(weights: Mapping[str, Tensor]) -> ArrayRecord:
    """One vector, all weights in the order of their names: every array more is four more requests a message."""
    flat = torch.cat([weights[name].detach().to(torch.float32).reshape(-1) for name in sorted(weights)])
    return ArrayRecord({_VECTOR: Array(flat.numpy())})


def encode_task(task: Task, packed: ArrayRecord | None = None) -> RecordDict:
    """`packed`: the task's weights where they are packed already, since one model goes to many devices."""
    fields = {
        "version": WIRE_VERSION,
        "study": task.study,
        "round": task.round,
        "nonce": task.nonce,
        "model_hash": task.model_hash,
        "policy_hash": task.policy_hash,
        "receipt_entry": task.receipt.entry,
        "receipt_signature": task.receipt.signature,
    }
    return RecordDict({"task": ConfigRecord(fields), "weights": packed or pack_weights(task.weights)})


def decode_task(record: RecordDict, shapes: Shapes) -> Task:
    """Raises WireError where a field is missing, unknown or of the wrong type, a weight does not have the shape
    that the installed model has, is not finite, or the weights do not have the hash that the task names."""
    fields = _fields(record, "task", ("weights",), **_TASK_FIELDS)
    receipt = Receipt(fields.pop("receipt_entry"), fields.pop("receipt_signature"))
    weights = _decode_weights(record["weights"], shapes)
    if weights_hash(weights) != fields["model_hash"]:
        raise WireError("model", "The weights are not those that the task names")
    return Task(receipt=receipt, weights=weights, **fields)


def encode_update(update: Update) -> RecordDict:
    fields = {"version": WIRE_VERSION, "nonce": update.nonce, "intent": update.intent.model_dump_json()}
    return RecordDict({"update": ConfigRecord(fields), "delta": pack_weights(update.delta)})


def decode_update(record: RecordDict, shapes: Shapes) -> Update:
    """Raises WireError where a field is missing, unknown or of the wrong type, or a change does not have the shape
    of the trainable part or is not finite."""
    fields = _fields(record, "update", ("delta",), nonce=str, intent=str)
    try:
        intent = parse_entry(fields["intent"])
    except LedgerError as error:
        raise WireError("schema", "The intent cannot be read") from error
    return Update(nonce=fields["nonce"], intent=intent, delta=_decode_weights(record["delta"], shapes))


def shapes_of(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape that each weight must have on the wire."""
    return {name: tuple(value.shape) for name, value in weights.items()}


def _fields(record: RecordDict, name: str, others: tuple[str, ...], **types: type) -> dict:
    if set(record) != {name, *others} or not isinstance(record[name], ConfigRecord):
        raise WireError("schema", "The message does not have the expected parts")
    fields = dict(record[name])
    version = fields.pop("version", None)
    if version != WIRE_VERSION:
        raise WireError("version", f"The message has wire format {version!r:.20}, this program speaks {WIRE_VERSION}")
    if set(fields) != set(types) or any(type(fields[key]) is not kind for key, kind in types.items()):
        raise WireError("schema", "The message does not have the expected fields")
    if any(isinstance(value, str) and len(value) > _MAX_TEXT for value in fields.values()):
        raise WireError("schema", "A field of the message is too long")
    if not _NONCE.fullmatch(fields["nonce"]):
        raise WireError("schema", "The nonce of the message is not one")
    return fields


def _decode_weights(record: object, shapes: Shapes) -> dict[str, Tensor]:
    if not isinstance(record, ArrayRecord) or set(record) != {_VECTOR}:
        raise WireError("schema", "The message does not hold the expected weights")
    sizes = {name: int(np.prod(shapes[name], dtype=np.int64)) for name in sorted(shapes)}
    vector = _decode_vector(record[_VECTOR].data, sum(sizes.values()))
    pieces = zip(sizes, vector.split(list(sizes.values())), strict=True)
    return {name: piece.reshape(shapes[name]).clone() for name, piece in pieces}


def _decode_vector(data: bytes, size: int) -> Tensor:
    header = _npy_header(size)
    if len(data) != len(header) + 4 * size or not data.startswith(header):
        raise WireError("shape", "The weights do not have the expected number and type")
    values = np.frombuffer(data, dtype="<f4", offset=len(header))
    if not np.isfinite(values).all():
        raise WireError("not_finite", "A weight is not finite")
    return torch.from_numpy(values.copy())


def _npy_header(size: int) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.empty(size, dtype="<f4"), allow_pickle=False)
    return buffer.getvalue()[: buffer.tell() - 4 * size]
