import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_models.errors import PolicyError
from shared_models.privacy.accounting import calibrate, delta_at, epsilon_at, mu_of

DELTA = 1e-5
SIGMA_STEP = 1e-4
EPSILON_STEP = 1e-4
sigmas = st.floats(0.3, 100)
counts = st.integers(1, 500)
histories = st.lists(st.tuples(counts, sigmas), min_size=1, max_size=6)


@pytest.mark.parametrize(("epsilon", "mu"), [(1, 0.2681), (2, 0.5016), (4, 0.9249), (8, 1.6660)])
def test_the_published_pairs_of_mu_and_epsilon(epsilon: float, mu: float) -> None:
    """mu is published to four decimals, so epsilon must lie between what its two ends give."""
    assert epsilon_at(mu - 5e-5, DELTA) <= epsilon <= epsilon_at(mu + 5e-5, DELTA)
    assert delta_at(mu - 5e-5, epsilon) <= DELTA <= delta_at(mu + 5e-5, epsilon)


@pytest.mark.parametrize(("epsilon", "sigma"), [(1, 18.65), (2, 9.97), (4, 5.41), (8, 3.00)])
def test_the_published_noise_for_25_steps(epsilon: float, sigma: float) -> None:
    assert calibrate(epsilon, DELTA, 25) == pytest.approx(sigma, abs=5e-3)


def test_one_step_of_unit_noise_is_one_gdp() -> None:
    assert mu_of([(1, 1.0)]) == 1
    assert mu_of([(4, 2.0)]) == 1
    assert delta_at(1, 0) == pytest.approx(2 * 0.5 * (1 + math.erf(0.5 / math.sqrt(2))) - 1)


@given(epsilon=st.floats(0.05, 20), delta=st.floats(1e-9, 1e-2), steps=st.integers(1, 2000))
def test_calibrated_noise_keeps_the_target_and_a_tick_less_would_not(epsilon: float, delta: float, steps: int) -> None:
    sigma = calibrate(epsilon, delta, steps)
    assert epsilon_at(mu_of([(steps, sigma)]), delta) <= epsilon
    assert epsilon_at(mu_of([(steps, sigma - SIGMA_STEP)]), delta) > epsilon


@given(mu=st.floats(1e-3, 50), delta=st.floats(1e-12, 0.1))
def test_epsilon_is_rounded_up_and_by_no_more_than_a_tick(mu: float, delta: float) -> None:
    epsilon = epsilon_at(mu, delta)
    assert delta_at(mu, epsilon) <= delta
    assert epsilon <= EPSILON_STEP or delta_at(mu, epsilon - 1.01 * EPSILON_STEP) > delta
    assert epsilon == round(epsilon, 4)


@given(rounds=st.integers(1, 40), steps=st.integers(1, 50), sigma=sigmas)
def test_rounds_compose_to_one_long_run(rounds: int, steps: int, sigma: float) -> None:
    assert mu_of([(steps, sigma)] * rounds) == pytest.approx(mu_of([(rounds * steps, sigma)]))
    assert mu_of([(steps, sigma)] * rounds) == pytest.approx(math.sqrt(rounds * steps) / sigma)


def test_the_budget_does_not_start_again_with_a_round() -> None:
    spent = [epsilon_at(mu_of([(4, 5.0)] * rounds), DELTA) for rounds in range(1, 8)]
    assert spent == sorted(set(spent))


@given(history=histories)
def test_steps_of_different_noise_compose_in_squares_and_in_any_order(history: list[tuple[int, float]]) -> None:
    squares = sum(mu_of([entry]) ** 2 for entry in history)
    assert mu_of(history) == pytest.approx(math.sqrt(squares))
    assert mu_of(reversed(history)) == pytest.approx(mu_of(history))


@given(history=histories, more=st.tuples(counts, sigmas))
def test_every_further_step_costs(history: list[tuple[int, float]], more: tuple[int, float]) -> None:
    before, after = mu_of(history), mu_of([*history, more])
    assert after > before
    assert epsilon_at(after, DELTA) >= epsilon_at(before, DELTA)


@given(sigma=sigmas, steps=counts)
def test_more_noise_costs_less_and_a_smaller_delta_more(sigma: float, steps: int) -> None:
    mu, quieter = mu_of([(steps, sigma)]), mu_of([(steps, 1.1 * sigma)])
    assert epsilon_at(quieter, DELTA) <= epsilon_at(mu, DELTA) <= epsilon_at(mu, DELTA / 10)


@given(mu=st.floats(0.01, 10), epsilon=st.floats(0, 50), more=st.floats(0.01, 10))
def test_delta_falls_with_epsilon_and_rises_with_mu(mu: float, epsilon: float, more: float) -> None:
    assert 0 <= delta_at(mu, epsilon + more) <= delta_at(mu, epsilon) <= delta_at(mu + more, epsilon) <= 1


def test_nothing_spent_costs_nothing() -> None:
    assert mu_of([]) == 0
    assert epsilon_at(0, DELTA) == 0
    assert delta_at(0, 0) == 0


@pytest.mark.parametrize("exponent", [2, 3, 5, 10, 50, 100, 160, 200, 323])
def test_noise_next_to_nothing_promises_nothing(exponent: int) -> None:
    epsilon = epsilon_at(mu_of([(24, 10.0**-exponent)]), DELTA)
    assert epsilon > 1e5
    assert epsilon == math.inf or exponent < 4


@pytest.mark.parametrize(("sigma", "steps"), [(5.41, 25), (3.0, 25), (18.65, 25), (2.0, 3)])
def test_an_independent_accountant_agrees_within_a_percent(sigma: float, steps: int) -> None:
    dp_accounting = pytest.importorskip("dp_accounting")
    pld = pytest.importorskip("dp_accounting.pld")
    accountant = pld.PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(dp_accounting.GaussianDpEvent(sigma), steps)
    assert epsilon_at(mu_of([(steps, sigma)]), DELTA) == pytest.approx(accountant.get_epsilon(DELTA), rel=0.01)


@pytest.mark.parametrize(
    ("epsilon", "delta", "steps"),
    [(0, DELTA, 1), (-1, DELTA, 1), (math.nan, DELTA, 1), (1, 0, 1), (1, 1, 1), (1, DELTA, 0)],
)
def test_what_cannot_be_calibrated_is_refused(epsilon: float, delta: float, steps: int) -> None:
    with pytest.raises(PolicyError, match="must all be positive"):
        calibrate(epsilon, delta, steps)
