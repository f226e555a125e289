import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_models.errors import PolicyError
from shared_models.privacy import second_opinions as opinions_module
from shared_models.privacy.accounting import (
    Spend,
    delta_at,
    epsilon_at,
    epsilon_of,
    exact_epsilon,
    merged,
    without_amplification,
)
from shared_models.privacy.accounting import mu_of as mu_of_spends
from shared_models.privacy.calibration import calibrate
from shared_models.privacy.second_opinions import PLD, PRV, RDP, disagreement, second_opinions

DELTA = 1e-5
SIGMA_STEP = 1e-4
EPSILON_STEP = 1e-4
sigmas = st.floats(0.3, 100)
counts = st.integers(1, 500)


def mu_of(steps: Iterable[tuple[int, float]]) -> float:
    """Of pairs (number of steps, sigma), each at q = 1."""
    return mu_of_spends(Spend(sigma, 1.0, count) for count, sigma in steps)


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


@pytest.mark.parametrize(
    "history",
    [
        [(5.41, 1.0, 25)],
        [(3.0, 1.0, 25)],
        [(18.65, 1.0, 25)],
        [(2.0, 1.0, 3)],
        [(1.0, 0.05, 600)],
        [(2.0, 0.1, 50), (4.0, 1.0, 9)],
    ],
    ids=str,
)
def test_three_other_accountants_agree_within_their_slack(history: list[tuple[float, float, int]]) -> None:
    spends = [Spend(*entry) for entry in history]
    opinions, printed = second_opinions(spends, DELTA), epsilon_of(spends, DELTA)
    assert opinions[PLD] == pytest.approx(printed, rel=0.01)
    assert opinions[PRV] == pytest.approx(printed, rel=0.01, abs=0.02)
    assert printed < opinions[RDP] < 1.5 * printed
    assert disagreement(spends, DELTA) is None


@pytest.mark.parametrize(("name", "factor"), [(PLD, 1.05), (PRV, 0.95), (RDP, 0.9), (RDP, 2.0)])
def test_an_accountant_that_differs_by_more_is_named(monkeypatch: pytest.MonkeyPatch, name: str, factor: float) -> None:
    spends = [Spend(3.0, 1.0, 25)]
    opinions = second_opinions(spends, DELTA)
    monkeypatch.setattr(opinions_module, "_opinions", lambda *_: (opinions | {name: factor * 8.0}).items())
    said = disagreement(spends, DELTA)
    assert said is not None
    assert "accountants disagree: 8.00" in said
    assert name in said
    assert sum(other in said for other in (PLD, PRV, RDP)) == 1


@pytest.mark.parametrize(("sigma", "epsilon", "unamplified"), [(1, 8.29, 404), (2, 2.80, 126), (4, 1.20, 44)])
def test_the_published_figures_of_a_sampled_history(sigma: float, epsilon: float, unamplified: float) -> None:
    spends = [Spend(sigma, 0.05, 600)]
    assert epsilon_of(spends, DELTA) == pytest.approx(epsilon, abs=6e-3)
    assert without_amplification(spends, DELTA) == pytest.approx(unamplified, abs=0.6)


def test_rounds_of_one_kind_are_one_entry_however_many() -> None:
    rounds = [Spend(1.1, 0.1, 20)] * 200 + [Spend(2.0, 1.0, 4)]
    assert merged(rounds) == (Spend(1.1, 0.1, 4000), Spend(2.0, 1.0, 4))
    assert exact_epsilon(rounds, DELTA) == exact_epsilon(merged(rounds), DELTA)


def test_the_real_schedule_of_fifty_rounds_composes_and_never_restarts() -> None:
    """q = .1, sigma = 1.1, 20 steps x 50 rounds: published as 21.09."""
    spent = [epsilon_of([Spend(1.1, 0.1, 20)] * rounds, DELTA) for rounds in (1, 10, 50)]
    assert spent == sorted(set(spent))
    assert spent[-1] == pytest.approx(21.09, abs=0.01)


@pytest.mark.parametrize("before", [[], [Spend(5.0, 1.0, 9)]])
@pytest.mark.parametrize("q", [0.5, 1.0])
def test_a_step_without_noise_promises_nothing(before: list[Spend], q: float) -> None:
    assert epsilon_of([*before, Spend(0.0, q, 1)], DELTA) == math.inf


def test_sampled_steps_of_next_to_no_noise_are_counted_without_amplification() -> None:
    spends = [Spend(0.05, 0.1, 3)]
    assert epsilon_of(spends, DELTA) == without_amplification(spends, DELTA) > 500


def test_sampled_noise_is_calibrated_to_just_below_its_target() -> None:
    sigma = calibrate(2.0, DELTA, 60, 0.1)
    assert 1.99 < epsilon_of([Spend(sigma, 0.1, 60)], DELTA) <= 2.0
    assert sigma == round(sigma, 4) < calibrate(2.0, DELTA, 60)


@pytest.mark.parametrize(("epsilon", "delta", "steps"), [(1e-9, 1e-12, 1000), (1e-5, DELTA, 2)])
def test_an_epsilon_that_no_noise_reaches_is_refused(epsilon: float, delta: float, steps: int) -> None:
    with pytest.raises(PolicyError, match="no noise reaches"):
        calibrate(epsilon, delta, steps)


@pytest.mark.parametrize(
    ("epsilon", "delta", "steps"),
    [(0, DELTA, 1), (-1, DELTA, 1), (math.nan, DELTA, 1), (1, 0, 1), (1, 1, 1), (1, DELTA, 0)],
)
def test_what_cannot_be_calibrated_is_refused(epsilon: float, delta: float, steps: int) -> None:
    with pytest.raises(PolicyError, match="must all be positive"):
        calibrate(epsilon, delta, steps)
