import numpy as np
import pytest
from scipy.stats import norm

from simulations.attacks.roc import auc, detection_at, estimate


def test_the_area_is_the_share_of_pairs_in_the_right_order_and_ties_count_half() -> None:
    scores, member = np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert auc(scores, member) == (2 + 0 + 0.5) / 4


def test_a_threshold_lets_at_most_the_allowed_share_of_others_through() -> None:
    scores = np.concatenate([np.arange(100.0), [97.5, 98.5, 99.5]])
    member = np.arange(103) >= 100
    assert detection_at(0.0, scores, member) == pytest.approx(1 / 3)
    assert detection_at(0.01, scores, member) == pytest.approx(2 / 3)
    assert detection_at(0.02, scores, member) == pytest.approx(1)


def test_the_interval_covers_the_truth_of_independent_scores() -> None:
    """Eight of ten intervals of 95 % at least: fewer with a probability of about 0.01."""
    rng, covered = np.random.default_rng(0), 0
    truth = norm.cdf(1 / np.sqrt(2))
    for trial in range(10):
        member = rng.random((8, 30)) < 0.5
        found = estimate(auc, [(rng.normal(size=member.shape) + member, member)], trial)
        covered += found.low <= truth <= found.high
    assert covered >= 8
