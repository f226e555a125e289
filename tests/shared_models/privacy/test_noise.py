"""Each statistical test rejects with probability alpha where the noise is right; seeds are fixed, so none is flaky.

With 10^6 draws an error of half a percent in the standard deviation is seven standard errors.
"""

import secrets
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import ndtri

from shared_models.privacy.noise import NoiseSource

DRAWS = 1_000_000
ALPHA = 1e-3
_Z = float(stats.norm.isf(ALPHA / 2))


def mean_is_zero(x: np.ndarray) -> bool:
    """z test, two-sided, level ALPHA."""
    return abs(x.mean()) < _Z / np.sqrt(len(x))


def variance_is_one(x: np.ndarray) -> bool:
    """Chi-squared test of the variance, two-sided, level ALPHA."""
    total = float(np.square(x - x.mean()).sum())
    low, high = stats.chi2.ppf([ALPHA / 2, 1 - ALPHA / 2], len(x) - 1)
    return bool(low < total < high)


def shape_is_normal(x: np.ndarray) -> bool:
    """Kolmogorov-Smirnov test against N(0, 1), level ALPHA."""
    return bool(stats.kstest(x, "norm").pvalue > ALPHA)


def tails_are_normal(x: np.ndarray) -> bool:
    """Exact binomial test of the share beyond four standard deviations, level ALPHA."""
    beyond = int((np.abs(x) > 4).sum())
    return bool(stats.binomtest(beyond, len(x), float(2 * stats.norm.sf(4))).pvalue > ALPHA)


def draws_are_unrelated(x: np.ndarray) -> bool:
    """z tests of the autocorrelation at nine lags, together at most level ALPHA (Bonferroni)."""
    lags = (1, 2, 3, 4, 8, 64, 1024, len(x) // 4, len(x) // 2)
    limit = float(stats.norm.isf(ALPHA / 2 / len(lags)))
    return all(abs(float(x[:-lag] @ x[lag:])) / np.sqrt(len(x) - lag) < limit for lag in lags)


CHECKS = (mean_is_zero, variance_is_one, shape_is_normal, tails_are_normal, draws_are_unrelated)


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    return NoiseSource.from_seed(20).normal((DRAWS,)).numpy()


@pytest.mark.parametrize("check", CHECKS)
def test_a_million_draws_are_standard_normal(draws: np.ndarray, check: Callable[[np.ndarray], bool]) -> None:
    assert check(draws)


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        (mean_is_zero, lambda x: x + 0.005),
        (variance_is_one, lambda x: 1.005 * x),
        (variance_is_one, lambda x: x / 2),
        (shape_is_normal, lambda x: np.sign(x) * np.abs(x) ** 1.02),
        (tails_are_normal, lambda x: x.clip(-4, 4)),
        (draws_are_unrelated, lambda x: np.tile(x[: len(x) // 4], 4)),
        (draws_are_unrelated, lambda x: (x + 0.01 * np.roll(x, 1)) / np.sqrt(1.0001)),
    ],
    ids=["shifted", "half a percent louder", "halved", "bent", "cut off", "a reused key", "correlated"],
)
def test_the_checks_find_planted_faults(
    draws: np.ndarray, check: Callable[[np.ndarray], bool], spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    assert not check(spoil(draws))


def test_two_sources_share_no_value() -> None:
    """Two million independent float64 values collide with probability below 1e-2; a shared key repeats all."""
    values = np.concatenate([NoiseSource().normal((DRAWS,)).numpy() for _ in range(2)])
    assert len(np.unique(values)) > 2 * DRAWS - 10


def test_one_source_goes_on_where_it_was() -> None:
    source, whole = NoiseSource.from_seed(1), NoiseSource.from_seed(1)
    first, second = source.normal((5,)), source.normal((5,))
    assert not set(first.tolist()) & set(second.tolist())
    assert torch.equal(first, whole.normal((5,)))


def test_a_key_comes_from_the_system_and_no_seed_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = secrets.token_bytes
    monkeypatch.setattr(secrets, "token_bytes", lambda count: asked.append(count) or real(count))
    values = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)
        values.append(NoiseSource().normal((4,)))
    assert asked == [32, 32]
    assert not torch.equal(*values)


def test_a_seed_repeats_and_each_part_of_it_counts() -> None:
    assert torch.equal(NoiseSource.from_seed(3, 1, 2).normal((9,)), NoiseSource.from_seed(3, 1, 2).normal((9,)))
    firsts = {float(NoiseSource.from_seed(*seed).normal(())) for seed in [(3, 1, 2), (3, 2, 1), (3, 1, 3), (4, 1, 2)]}
    assert len(firsts) == 4


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4)])
def test_any_shape_can_be_drawn(shape: tuple[int, ...]) -> None:
    noise = NoiseSource().normal(torch.Size(shape))
    assert noise.shape == shape
    assert noise.dtype == torch.float64


class Fixed:
    """A key stream that repeats one byte."""

    def __init__(self, byte: int) -> None:
        self.byte, self.taken = byte, 0

    def update(self, data: bytes) -> bytes:
        self.taken += len(data)
        return bytes([self.byte]) * len(data)


@pytest.mark.parametrize("byte", [0, 255])
def test_no_key_stream_gives_a_value_without_bound(byte: int) -> None:
    source = NoiseSource()
    source._stream = Fixed(byte)
    assert bool(torch.isfinite(source.normal((3,))).all())


def test_each_value_is_four_deviates_added_and_halved() -> None:
    """Not one inverse of one uniform, which could be looked up."""
    source = NoiseSource()
    source._stream = stream = Fixed(0x40)
    value = float(source.normal(()))
    assert stream.taken == 4 * 8
    assert value == pytest.approx(2 * ndtri(0.5 + 0x40 / 255))


def test_draws_are_true_as_often_as_asked() -> None:
    """A million draws: their share is off by .0017 with probability below 1e-3 at any rate."""
    source = NoiseSource.from_seed(6)
    for rate in (0.01, 0.3, 0.5, 1.0):
        assert float(source.bernoulli(DRAWS, rate).double().mean()) == pytest.approx(rate, abs=0.0017)
    assert source.bernoulli(0, 0.5).shape == (0,)
