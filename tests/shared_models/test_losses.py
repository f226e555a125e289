import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from shared_models import losses

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 3.0], [-1.0, 0.0, 1.0]])
VOTES = torch.tensor([[0.7, 0.1, 0.2], [0.0, 0.0, 1.0], [0.3, 0.5, 0.2]])
COUNTS = np.array([1000.0, 100.0, 10.0])


def test_smoothing_moves_a_share_of_each_target_to_all_classes() -> None:
    smooth = losses.smoothed(VOTES, 0.3)
    torch.testing.assert_close(smooth[1], torch.tensor([0.1, 0.1, 0.8]))
    torch.testing.assert_close(smooth.sum(dim=1), torch.ones(3))
    assert torch.equal(losses.smoothed(VOTES, 0.0), VOTES)


def test_cross_entropy_is_torch_s_for_distributions() -> None:
    torch.testing.assert_close(losses.cross_entropy(LOGITS, VOTES), F.cross_entropy(LOGITS, VOTES))


def test_weights_count_each_class_s_share_of_a_target() -> None:
    weights = torch.tensor([2.0, 0.0, 1.0])
    expected = -(VOTES * weights * LOGITS.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(losses.cross_entropy(LOGITS, VOTES, weights), expected)


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    torch.testing.assert_close(losses.focal(LOGITS, VOTES, 0.0), losses.cross_entropy(LOGITS, VOTES))


def test_focal_loss_of_one_class_is_the_papers() -> None:
    """-(1 - p)^2 log p at p = .9."""
    logits = torch.tensor([[math.log(0.9), math.log(0.1)]])
    found = float(losses.focal(logits, torch.tensor([[1.0, 0.0]]), 2.0))
    assert found == pytest.approx(-0.01 * math.log(0.9), rel=1e-4)


def test_a_margin_is_what_the_right_class_must_win_by() -> None:
    """With a margin of .5, logits that win by .5 lose as much as equal ones do without."""
    right = torch.tensor([[1.0, 0.0]])
    with_margin = losses.margin(torch.tensor([[0.5, 0.0]]), right, torch.tensor([0.5, 0.1]))
    torch.testing.assert_close(with_margin, losses.cross_entropy(torch.zeros(1, 2), right))


def test_a_soft_target_takes_its_share_of_a_margin() -> None:
    margins = torch.tensor([0.5, 0.2, 0.1])
    expected = F.cross_entropy(LOGITS - margins * VOTES, VOTES)
    torch.testing.assert_close(losses.margin(LOGITS, VOTES, margins), expected)


def test_balanced_weights_run_from_even_to_inverse_frequency() -> None:
    assert losses.balanced_weights(COUNTS, 0.0).tolist() == pytest.approx([1, 1, 1])
    inverse = 1 / COUNTS
    assert losses.balanced_weights(COUNTS, 1 - 1e-9).tolist() == pytest.approx(3 * inverse / inverse.sum(), rel=1e-3)


def test_balanced_weights_are_the_papers() -> None:
    effective = [(1 - 0.99**n) / (1 - 0.99) for n in COUNTS]
    expected = np.array([1 / e for e in effective])
    assert losses.balanced_weights(COUNTS, 0.99).tolist() == pytest.approx(3 * expected / expected.sum())


def test_margins_fall_with_the_fourth_root() -> None:
    found = losses.rare_margins(np.array([16 * 81.0, 16.0, 1.0]), 0.6)
    assert found.tolist() == pytest.approx([0.1, 0.3, 0.6])


def test_a_class_that_was_never_seen_has_no_weight_and_no_margin() -> None:
    counts = np.array([4.0, 0.0, 8.0])
    weights, margins = losses.balanced_weights(counts, 0.9), losses.rare_margins(counts, 0.5)
    assert weights[1] == margins[1] == 0
    assert float(weights.sum()) == pytest.approx(2)
    assert bool((margins[[0, 2]] > 0).all())


def test_votes_are_counted_by_their_shares() -> None:
    assert losses.class_counts(VOTES.numpy()).tolist() == pytest.approx([1.0, 0.6, 1.4])
