import pytest

from shared_models.privacy.odds import (
    advantage_from_epsilon,
    advantage_from_mu,
    detection_from_epsilon,
    detection_from_mu,
    odds,
)

DELTA = 1e-5


@pytest.mark.parametrize(("mu", "advantage"), [(0.2681, 0.107), (0.5016, 0.198), (0.9249, 0.356), (1.6660, 0.595)])
def test_advantage_under_a_gaussian_promise(mu: float, advantage: float) -> None:
    assert advantage_from_mu(mu) == pytest.approx(advantage, abs=5e-4)


@pytest.mark.parametrize(("epsilon", "advantage"), [(8.29, 0.9995), (2.80, 0.885), (1.20, 0.537)])
def test_advantage_from_epsilon_alone(epsilon: float, advantage: float) -> None:
    assert advantage_from_epsilon(epsilon, DELTA) == pytest.approx(advantage, abs=5e-4)


def test_no_privacy_loss_is_a_coin_toss() -> None:
    assert odds(0, 0, None).at_most == odds(0, 0, 0).at_most == 50


def test_an_epsilon_that_means_nothing_is_certainty_not_an_overflow() -> None:
    assert odds(1e6, DELTA, None).at_most == 100
    assert detection_from_epsilon(0.5, 1e6, DELTA) == pytest.approx(1)


def test_the_exact_odds_are_used_where_mu_is_known_and_rounded_up() -> None:
    exact = odds(8, DELTA, 1.6660)

    assert (exact.by_coin, exact.at_most, exact.gained, exact.wrong) == (50, 80, 30, 20)
    assert odds(1, DELTA, 0.2681).at_most == 56  # 55.3
    assert odds(8, DELTA, None).at_most == 100


@pytest.mark.parametrize("mu", [0.3, 1.0, 1.7])
def test_the_advantage_is_the_widest_gap_of_the_trade_off_curve(mu: float) -> None:
    gaps = [detection_from_mu(i / 2000, mu) - i / 2000 for i in range(2001)]
    assert max(gaps) == pytest.approx(advantage_from_mu(mu), abs=1e-5)


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 4.0])
def test_the_same_for_epsilon_and_delta(epsilon: float) -> None:
    gaps = [detection_from_epsilon(i / 20000, epsilon, DELTA) - i / 20000 for i in range(20001)]
    assert max(gaps) == pytest.approx(advantage_from_epsilon(epsilon, DELTA), abs=1e-3)


def test_both_curves_start_and_end_in_the_corners() -> None:
    assert detection_from_mu(0, 1) == 0
    assert detection_from_mu(1, 1) == 1
    assert detection_from_epsilon(0, 1, DELTA) == pytest.approx(DELTA)
    assert detection_from_epsilon(1, 1, DELTA) == 1
