import datetime as dt

import numpy as np
import pytest

from shared_models.privacy.odds import detection_from_mu
from simulations.attacks.bounds import estimate_mu
from simulations.attacks.for_report import audit_for_report


def test_the_points_lie_on_the_curve_that_the_scores_come_from(policy) -> None:
    """20,000 scores a side, one deviation apart: each point is off by .02 with probability below 1e-4."""
    rng = np.random.default_rng(1)
    included = np.arange(40_000) % 2 == 0
    scores = rng.normal(size=40_000) + included
    audit = audit_for_report(estimate_mu(scores, included), scores, included, policy, "fast", dt.date(2026, 1, 2))
    assert audit.mu == pytest.approx(1.0, abs=0.05)
    assert audit.mu_low < audit.mu < audit.mu_high
    assert audit.epsilon_low > 0
    for point in audit.points:
        assert point.detected == pytest.approx(detection_from_mu(point.false_alarms, 1.0), abs=0.02)
    assert (audit.canaries, audit.date.isoformat()) == (40_000, "2026-01-02")
    assert "engine fast" in audit.settings
