import math

import numpy as np
import pytest

from shared_models.privacy.accounting import epsilon_at
from simulations.attacks.bounds import estimate_mu, one_run_bound, p_value

DELTA = 1e-5


def gaussian_scores(mu: float, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    included = rng.random(count) < 0.5
    return rng.standard_normal(count) + mu * included, included


@pytest.mark.parametrize("mu", [0.25, 1.6])
def test_the_lower_end_of_mu_is_above_the_truth_as_rarely_as_stated(mu: float) -> None:
    rng = np.random.default_rng(0)
    estimates = [estimate_mu(*gaussian_scores(mu, 500, rng)) for _ in range(2000)]
    for error_rate in (0.05, 0.0025):
        above = np.mean([estimate.lower(error_rate) > mu for estimate in estimates])
        assert above <= error_rate + 3 * math.sqrt(error_rate / 2000)
    assert np.mean([estimate.value for estimate in estimates]) == pytest.approx(mu, abs=0.02)


def test_when_every_guess_is_right_the_bound_has_a_closed_form() -> None:
    """Without delta, r right guesses of r have probability (e^eps / (1 + e^eps))^r."""
    included = np.arange(10) < 5
    bound = one_run_bound(np.where(included, 1.0, -1.0), included, 0.0, 0.05)
    right = 0.05**0.1
    assert (bound.guesses, bound.correct) == (10, 10)
    assert bound.epsilon == pytest.approx(math.log(right / (1 - right)), abs=1e-6)


def test_delta_makes_the_same_guesses_less_telling() -> None:
    assert p_value(100, 50, 45, 1.0, 0.0) < p_value(100, 50, 45, 1.0, 1e-3) < p_value(1000, 50, 45, 1.0, 1e-3)
    assert p_value(100, 50, 45, 3.0, 0.0) > p_value(100, 50, 45, 1.0, 0.0)


def test_the_one_run_bound_of_an_honest_mechanism_stays_below_its_epsilon() -> None:
    rng, mu = np.random.default_rng(1), 0.27
    bounds = [one_run_bound(*gaussian_scores(mu, 500, rng), DELTA, 0.05).epsilon for _ in range(200)]
    assert np.mean([bound > epsilon_at(mu, DELTA) for bound in bounds]) <= 0.05


def test_randomised_response_is_not_overstated_and_is_nearly_found() -> None:
    rng, epsilon, count = np.random.default_rng(2), 2.0, 1000
    bounds = []
    for _ in range(100):
        included = rng.random(count) < 0.5
        told_right = rng.random(count) < 1 / (1 + math.exp(-epsilon))
        scores = np.where(told_right == included, 1.0, -1.0) + 1e-3 * rng.random(count)
        bounds.append(one_run_bound(scores, included, 0.0, 0.05).epsilon)
    assert np.mean(np.array(bounds) > epsilon) <= 0.05
    assert np.median(bounds) > 1.5
