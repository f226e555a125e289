"""Figures from the notes of the accounting: q = 1, delta 1e-5, to the printed digits."""

from functools import partial

import pytest

from fl_server.report import curves
from shared_models.privacy.accounting import delta_at, epsilon_at
from shared_models.privacy.calibration import calibrate
from shared_models.privacy.odds import detection_from_mu

DELTA = 1e-5


@pytest.mark.parametrize(
    ("epsilon", "mu", "sigma", "advantage"),
    [(1, 0.2681, 18.65, 0.107), (2, 0.5016, 9.97, 0.198), (4, 0.9249, 5.41, 0.356), (8, 1.6660, 3.00, 0.595)],
)
def test_the_closed_form_agrees_with_the_check_values(
    epsilon: float, mu: float, sigma: float, advantage: float
) -> None:
    assert epsilon_at(mu, DELTA) == pytest.approx(epsilon, abs=6e-4)
    assert f"{calibrate(epsilon, DELTA, 25):.2f}" == f"{sigma:.2f}"
    assert f"{curves.advantage(partial(delta_at, mu)):.3f}" == f"{advantage:.3f}"


@pytest.mark.parametrize("mu", [0.2681, 1.6660, 6.0])
def test_the_attackers_curve_is_the_exact_one(mu: float) -> None:
    epsilon = epsilon_at(mu, DELTA)
    for point in curves.trade_off(partial(delta_at, mu), epsilon):
        exact = detection_from_mu(point["false_alarms"], mu)
        assert exact - 1e-9 <= point["detected"] <= exact + 2e-3


def test_the_curve_passes_through_what_is_claimed() -> None:
    points = curves.curve(partial(delta_at, 1.6660), 8.0)
    by_epsilon = {round(point["epsilon"], 6): point["delta"] for point in points}
    assert by_epsilon[8.0] == pytest.approx(DELTA, rel=0.01)
    deltas = [point["delta"] for point in points]
    assert deltas == sorted(deltas, reverse=True)


def test_no_attacker_is_better_than_certain() -> None:
    assert curves.advantage(lambda epsilon: 1.5) == 1.0
    assert all(point["detected"] <= 1 for point in curves.trade_off(lambda epsilon: 1.0, 3.0))
