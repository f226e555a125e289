"""Gaussian noise from a cryptographic key stream.

ChaCha20 fills uniforms of 52 bits, each at the middle of its interval and so never 0 or 1; each becomes a normal
deviate by the inverse distribution function. Four deviates are added and halved, so that no single floating-point
value can be traced back to its inputs (Holohan and Braghin 2021, "Secure Random Sampling in Differential Privacy",
section 4).
"""

import secrets
from collections.abc import Sequence

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from scipy.special import ndtri
from torch import Tensor

_KEY_BYTES = 32
_BITS = 52
_DEVIATES = 4


class NoiseSource:
    """A stream of independent standard normal deviates. Two sources never share a key unless a seed is given."""

    def __init__(self, key: bytes | None = None) -> None:
        cipher = Cipher(ChaCha20(key or secrets.token_bytes(_KEY_BYTES), bytes(16)), mode=None)
        self._stream = cipher.encryptor()

    @classmethod
    def from_seed(cls, *seed: int) -> "NoiseSource":
        """A repeatable source, for simulations only: whoever knows the seed can take the noise off."""
        return cls(np.random.SeedSequence(seed).generate_state(_KEY_BYTES // 4).astype("<u4").tobytes())

    def normal(self, shape: Sequence[int]) -> Tensor:
        """float64 standard normal deviates of `shape`."""
        count = int(np.prod(shape, dtype=np.int64))
        words = np.frombuffer(self._stream.update(bytes(8 * _DEVIATES * count)), dtype="<u8")
        uniform = ((words >> np.uint64(64 - _BITS)).astype(np.float64) + 0.5) / 2**_BITS
        summed = ndtri(uniform).reshape(_DEVIATES, count).sum(axis=0) / np.sqrt(_DEVIATES)
        return torch.from_numpy(summed.reshape(tuple(shape)))
