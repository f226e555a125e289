"""Randomness from a cryptographic key stream: Gaussian noise, and the draws of Poisson sampling.

ChaCha20 fills 53-bit numbers, each at the middle of its interval in (-1, 1) and so never at an end; each becomes a
normal deviate by the inverse distribution function, sqrt(2) erfinv(u). Four deviates are added and halved, so that no
single floating-point value can be traced back to its inputs (Holohan and Braghin 2021, "Secure Random Sampling in
Differential Privacy", section 4).
"""

import math
import secrets
from collections.abc import Sequence

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from torch import Tensor

_KEY_BYTES = 32
_BITS = 53
_DEVIATES = 4


class NoiseSource:
    """A stream of independent random values. Two sources never share a key unless a seed is given."""

    def __init__(self, key: bytes | None = None) -> None:
        cipher = Cipher(ChaCha20(key or secrets.token_bytes(_KEY_BYTES), bytes(16)), mode=None)
        self._stream = cipher.encryptor()

    @classmethod
    def from_seed(cls, *seed: int) -> "NoiseSource":
        """A repeatable source, for simulations only: whoever knows the seed can take the noise off."""
        return cls(np.random.SeedSequence(seed).generate_state(_KEY_BYTES // 4).astype("<u4").tobytes())

    def normal(self, shape: Sequence[int]) -> Tensor:
        """float64 standard normal deviates of `shape`."""
        count = math.prod(shape)
        deviates = self._symmetric(_DEVIATES * count).erfinv_().view(_DEVIATES, count).sum(0)
        return deviates.mul_((2 / _DEVIATES) ** 0.5).view(tuple(shape))

    def bernoulli(self, count: int, rate: float) -> Tensor:
        """(count,) bool, each true with probability `rate`."""
        return self._symmetric(count) < 2 * rate - 1

    def _symmetric(self, count: int) -> Tensor:
        """(count,) float64, uniform in (-1, 1)."""
        words = np.frombuffer(self._stream.update(bytes(8 * count)), dtype="<i8") >> (64 - _BITS)
        return torch.from_numpy(words.astype(np.float64)).add_(0.5).mul_(2.0 ** (1 - _BITS))
