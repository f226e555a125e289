import pytest
import torch

from simulations.attacks.residual_noise import ResidualNoise

ERROR_RATE, COUNT, SIZE = 0.0025, 30, 900


def heard(uploads: list[torch.Tensor], claimed: float = 2.0) -> ResidualNoise:
    noise = ResidualNoise(claimed, seed=0)
    for upload in uploads:
        noise.add(upload, explained=0)
    return noise


@pytest.fixture
def fresh() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [2 * torch.randn(SIZE, generator=generator) for _ in range(COUNT)]


def test_fresh_noise_of_the_claimed_size_passes(fresh) -> None:
    noise = heard(fresh)
    assert noise.scale == pytest.approx(1, abs=0.02)
    assert noise.correlation < noise.correlation_limit(ERROR_RATE)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_tenth_too_little_or_too_much_is_seen(fresh, factor) -> None:
    noise = heard([factor * upload for upload in fresh])
    assert abs(noise.scale - 1) > noise.scale_limit(ERROR_RATE)


@pytest.mark.parametrize("sign", [1, -1])
def test_noise_that_two_uploads_share_by_a_third_is_seen(fresh, sign) -> None:
    fresh[7] = (fresh[7] + sign * 0.36 * fresh[3]) / (1 + 0.36**2) ** 0.5
    noise = heard(fresh)
    assert noise.correlation > noise.correlation_limit(ERROR_RATE)


def test_the_limit_of_correlation_is_passed_as_rarely_as_stated() -> None:
    generator = torch.Generator().manual_seed(1)
    rate, passed = 0.05, 0
    for _ in range(400):
        noise = heard([2 * torch.randn(SIZE, generator=generator) for _ in range(8)])
        passed += noise.correlation > noise.correlation_limit(rate)
    assert passed / 400 <= rate + 0.03
