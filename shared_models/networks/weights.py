"""Weights on disk: safetensors with a JSON header, and the hash that names a set of weights."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError, ModelError
from shared_models.files import atomic_write
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model

_HEADER_KEY = "attune"
_SEEN_KEY = "training_digests"


class WeightsHeader(BaseModel):
    """What a weights file says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    scheme: str
    input_shape: tuple[int, int, int, int]
    """(T, 1, H, W)"""
    training_data: str
    """Which data, in words: data set, split, terms, seed."""


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256, in hex, over every name, shape and float32 value, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().to(torch.float32).contiguous().numpy()
        digest.update(f"{name}:{value.shape};".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def norm_of(weights: Mapping[str, Tensor]) -> float:
    """The L2 norm of all of them together, summed in float64: a square may overflow float32."""
    flat = torch.cat([value.flatten() for value in weights.values()])
    return float(torch.linalg.vector_norm(flat, dtype=torch.float64))


def save_model(path: Path, model: EmotionModel, header: WeightsHeader, seen: Sequence[str] = ()) -> None:
    """Writes the model, its header and the digests of what it was trained on to `path`, atomically."""
    tensors = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    tensors[_SEEN_KEY] = torch.from_numpy(_pack(seen))
    atomic_write(path, save(tensors, metadata={_HEADER_KEY: header.model_dump_json()}))


def load_model(path: Path) -> tuple[EmotionModel, WeightsHeader, frozenset[str]]:
    """The model in `path`, its header, and the digests of what it was trained on (`data/remembered.py`).

    Raises ModelError where the file is missing, is not safetensors, or does not fit the model that it names.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = WeightsHeader.model_validate_json((file.metadata() or {})[_HEADER_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        seen = _unpack(tensors.pop(_SEEN_KEY).numpy())
        scheme = scheme_by_name(header.scheme)
        model = build_model(header.model, len(scheme.classes), scheme.output)
        if any(tensor.dtype != torch.float32 for tensor in tensors.values()):
            raise ValueError("weights are float32")
        model.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError, DataError) as error:
        raise ModelError(
            f"The weights file {path.name} cannot be used",
            why="it is missing, damaged, or not a model that this version knows",
            fix="Name a weights file that `fl-server pretrain` wrote",
        ) from error
    return model.eval(), header, seen


def _pack(digests: Sequence[str]) -> np.ndarray:
    return np.array(sorted(int(digest, 16) for digest in digests), dtype=np.uint64).view(np.int64)


def _unpack(values: np.ndarray) -> frozenset[str]:
    return frozenset(f"{value:016x}" for value in values.view(np.uint64).tolist())
