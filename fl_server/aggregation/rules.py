"""The rule that makes one change of many updates, chosen in `[aggregation]`."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from torch import Tensor

from fl_server.aggregation.mean import Mean
from fl_server.aggregation.robust import Median, TrimmedMean
from fl_server.settings import AggregationSettings
from shared_models.errors import PolicyError
from shared_models.privacy.policy import Policy
from shared_models.wire import Shapes


class Rule(Protocol):
    """One way to combine a round's updates. Each counts the same: how many sequences a device holds is private."""

    def combine(self, updates: Iterable[Mapping[str, Tensor]], shapes: Shapes) -> dict[str, Tensor]:
        """The change that `updates` come to: float32, of the shapes given; zero where there is no update.

        updates: checked ones; iterated as often as the rule needs, so it gives the same ones each time. One is held
                 at a time, and memory is bounded whatever their number.
        """


def rule_by_settings(settings: AggregationSettings, policy: Policy) -> Rule:
    """The rule that the operator chose; raises PolicyError where it voids what the policy claims."""
    if settings.rule == "mean":
        return Mean()
    if policy.unit == "participant":
        raise PolicyError(
            f"The rule '{settings.rule}' does not go with the unit 'participant'",
            why="its claim needs the sum of every device's share of the noise, and this rule drops shares",
            fix='Set aggregation.rule = "mean", or protect the unit "sequence"',
        )
    return TrimmedMean(settings.trim) if settings.rule == "trimmed_mean" else Median()
