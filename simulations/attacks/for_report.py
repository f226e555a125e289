"""An audit in the form in which a privacy-budget report prints it and draws its points."""

import datetime as dt

import numpy as np

from fl_server.report.document.promise import TradeOffPoint
from fl_server.report.document.results import Audit
from shared_models.privacy.accounting import epsilon_at
from shared_models.privacy.policy import Policy
from simulations.attacks.bounds import MuEstimate

FILE = "report-audit.json"
"""To be put into a federation's folder as `audit.json`."""
_FALSE_ALARMS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)
_TWO_SIDED = 0.025
_LIMITS = [
    "it finds leakage or does not: it cannot show that there is none",
    "it looks at one input and one policy, with seeded noise",
]


def audit_for_report(
    mu: MuEstimate, scores: np.ndarray, included: np.ndarray, policy: Policy, engine: str, today: dt.date
) -> Audit:
    """scores: (m,), high where a canary seems to have taken part; included: (m,) bool, whether it did"""
    return Audit(
        date=today,
        method="planted sequences overheard over a device's life, a Gaussian estimate of mu (Dong, Roth and Su 2019)",
        canaries=len(scores),
        mu=round(max(0.0, mu.value), 4),
        mu_low=round(mu.lower(_TWO_SIDED), 4),
        mu_high=round(mu.upper(_TWO_SIDED), 4),
        epsilon_low=epsilon_at(mu.lower(_TWO_SIDED), policy.delta),
        points=[_point(rate, scores[included], scores[~included]) for rate in _FALSE_ALARMS],
        settings=f"{policy.lifetime_rounds} rounds of {policy.steps} steps, noise multiplier"
        f" {policy.noise_multiplier:.4f}, {policy.trainable} trained, engine {engine}",
        limits=_LIMITS,
    )


def _point(false_alarms: float, taken: np.ndarray, left: np.ndarray) -> TradeOffPoint:
    """The share of those that took part whose score is above all but so many of the others'."""
    threshold = np.quantile(left, 1 - false_alarms)
    return TradeOffPoint(false_alarms=false_alarms, detected=float((taken > threshold).mean()))
